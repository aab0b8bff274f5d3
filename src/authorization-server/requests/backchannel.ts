import { type Configuration, errors, type FindAccount, type KoaContextWithOIDC } from 'oidc-provider'
import { emailKey } from '../../accounts/accounts.ts'
import { findIdByEmail } from '../../accounts/find-by-email.ts'
import { createKeyedDigest } from '../../secrets/keyed-digest.ts'
import type { AuthorizationServerDependencies } from '../dependencies.ts'
import { profileOf } from '../fapi.ts'
import { countOrRefuse } from '../refuse-for-now.ts'

type Ciba = NonNullable<NonNullable<Configuration['features']>['ciba']>

/** What people can compare at a glance, and a phone spell out; nothing that hides, turns or looks like other letters (7.1). */
const BINDING_MESSAGE = /^(?! )[A-Za-z0-9 ._+/!?#:,()-]{1,64}(?<! )$/
const EMAIL = /^[^\s@\p{C}]{1,64}@[^\s@\p{C}]{1,189}$/u

/**
 * Backchannel authentication (OpenID Connect CIBA Core 1.0): a client names a person, by e-mail or by an ID token that it
 * got of him, and who signs in as that person finds the request at `/requests`.
 *
 * Whether an e-mail is an account's is not told (13 `unknown_user_id`), unless the operator trusts the client with that:
 * a request to nobody is kept like any other, as of an account that there is not, and expires.
 */
export function createBackchannelAuthentication({
  work,
  limits,
  sealer,
}: Pick<AuthorizationServerDependencies, 'work' | 'limits' | 'sealer'>) {
  const nameOfNobody = createKeyedDigest(sealer, 'unknown_accounts')
  /** Whom a request names by e-mail; looked up once, so that both kinds take the same time. */
  const named = new WeakMap<KoaContextWithOIDC, string>()

  const ciba: Ciba = {
    enabled: true,
    deliveryModes: ['poll', 'ping'],

    async processLoginHint(ctx, hint = '') {
      const { client } = ctx.oidc
      await countOrRefuse(limits.backchannelHints, client?.clientId ?? '')
      if (!EMAIL.test(hint)) throw new errors.InvalidRequest('login_hint must be an e-mail')
      const found = await findIdByEmail(work.db, hint)
      if (found === undefined && client?.tells_unknown_users === true) return undefined
      const id = found ?? `unknown:${nameOfNobody(emailKey(hint))}`
      named.set(ctx, id)
      return id
    },

    processLoginHintToken() {
      throw new errors.InvalidRequest('login_hint_token is not supported: use login_hint or id_token_hint')
    },

    async verifyUserCode(ctx, account, userCode) {
      if (userCode !== undefined) throw new errors.InvalidRequest('user_code is not supported')
      await countOrRefuse(limits.backchannelRequests, `${ctx.oidc.client?.clientId} ${account.accountId}`)
    },

    validateBindingMessage(ctx, message) {
      if (message === undefined && profileOf(ctx.oidc.client) !== undefined)
        throw new errors.InvalidBindingMessage('a binding_message is required (FAPI-CIBA 5.2.2)')
      if (message !== undefined && !BINDING_MESSAGE.test(message))
        throw new errors.InvalidBindingMessage('at most 64 letters, digits, spaces and any of ._+/!?#:,()-')
    },

    /** Not of the specification; ignored as whatever else is not known. */
    validateRequestContext() {},

    /** Nobody is called: people come to the page. */
    async triggerAuthenticationDevice() {},
  }

  return {
    ciba,

    /** Finds accounts as `find` does, and lets those stand that were named. */
    finder:
      (find: FindAccount): FindAccount =>
      async (ctx, id, token) =>
        named.get(ctx) === id ? { accountId: id, claims: async () => ({ sub: id }) } : find(ctx, id, token),
  }
}
