import { errors, Provider } from 'oidc-provider'

interface ClientPrototype {
  grantTypeAllowed(type: string): boolean
}

/**
 * Has the engine answer a token request of a grant type that is not the client's with
 * `unauthorized_client` (RFC 6749 5.2), where it would say `invalid_request`.
 */
export function refuseOtherGrantTypes(provider: Provider): void {
  const prototype = provider.Client.prototype as unknown as ClientPrototype
  const isAllowed = prototype.grantTypeAllowed

  prototype.grantTypeAllowed = function (type) {
    if (isAllowed.call(this, type)) return true
    const { route, params } = Provider.ctx?.oidc ?? {}
    if (route === 'token' && params?.grant_type === type) throw new errors.UnauthorizedClient('grant type not allowed')
    return false
  }
}
