import { errors, Provider } from 'oidc-provider'
import { CIBA, DEVICE_CODE } from '../clients/grant-types.ts'
import { clientMethodsOf } from './engine-internals.ts'

/** Where a grant type begins by a request of its own. */
const BEGINS: Readonly<Record<string, string>> = {
  device_authorization: DEVICE_CODE,
  backchannel_authentication: CIBA,
}

/**
 * Has the engine answer a token request of a grant type that is not the client's with
 * `unauthorized_client` (RFC 6749 5.2), and so the request that begins it (RFC 8628 3.2, CIBA 13), where it would say `invalid_request`.
 */
export function refuseOtherGrantTypes(provider: Provider): void {
  const methods = clientMethodsOf(provider)
  const isAllowed = methods.grantTypeAllowed

  methods.grantTypeAllowed = function (type) {
    if (isAllowed.call(this, type)) return true
    const { route, params } = Provider.ctx?.oidc ?? {}
    if ((route === 'token' && params?.grant_type === type) || (route !== undefined && BEGINS[route] === type))
      throw new errors.UnauthorizedClient('grant type not allowed')
    return false
  }
}
