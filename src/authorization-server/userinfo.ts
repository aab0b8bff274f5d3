import type { AccessToken, ClientCredentials, KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { Examine } from '../credentials/examine.ts'
import { builtInIdentifier } from '../resources/resources.ts'
import { redeemedBy } from './authentication-context.ts'
import { routeUnderWay, wrapFindAccessToken } from './engine-internals.ts'

/** The claim by which an access token for our API says which OpenID scopes it was issued with. */
const OPENID_SCOPE = 'openid_scope'

/**
 * What an access token for our API tells userinfo: the OpenID scopes that the person allowed and the request asks for. A
 * token for another resource tells nothing, because whoever serves that resource sees it.
 */
export function openidScopeOf(ctx: KoaContextWithOIDC, token: AccessToken | ClientCredentials, issuer: string) {
  const { entities, params, requestParamScopes } = ctx.oidc
  if (token.aud !== builtInIdentifier(issuer)) return {}
  const asked = params?.scope === undefined ? redeemedBy(ctx)?.scopes : requestParamScopes
  return asked?.has('openid') ? { [OPENID_SCOPE]: entities.Grant?.getOIDCScopeFiltered(asked) } : {}
}

/**
 * Has userinfo take an access token for our API besides those for no resource (OpenID Connect Core 5.3), since a client
 * that asks for `openid` and for an API scope at once gets one token and expects it to be good for both. It tells no more
 * than the OpenID scopes it was issued with.
 */
export function takeApiTokens(provider: Provider, examine: Examine, issuer: string): void {
  const audience = builtInIdentifier(issuer)
  wrapFindAccessToken(provider, (find) => async (value, options) => {
    if (routeUnderWay() !== 'userinfo') return find(value, options)
    const found = value.includes('.') ? undefined : await find(value, options)
    if (found !== undefined && found.aud !== audience) return found
    const examined = await examine(value, new Date())
    if (examined?.principal.credential.kind !== 'access_token' || examined.audience !== audience) return undefined
    const { subject, clientId, credential } = examined.principal
    const { claims, confirmation } = examined
    const { AccessToken } = provider
    return new AccessToken({
      jti: credential.id,
      accountId: subject.id,
      clientId,
      grantId: credential.grantId,
      scope: claims[OPENID_SCOPE] ?? '',
      exp: claims.exp,
      jkt: confirmation?.jkt,
      'x5t#S256': confirmation?.x5t,
    } as never)
  })
}

/**
 * Names the OpenID scopes of a token for our API in the answer that it is issued by (RFC 6749 5.1): a client may refresh
 * with the scope that it was told.
 */
export function tellOpenidScope({ oidc, body }: KoaContextWithOIDC): void {
  const openid = oidc?.entities.AccessToken?.extra?.[OPENID_SCOPE]
  if (typeof openid !== 'string' || !isIssue(body)) return
  body.scope = [openid, body.scope].filter(Boolean).join(' ')
}

function isIssue(body: unknown): body is { access_token: string; scope?: string } {
  return typeof body === 'object' && body !== null && 'access_token' in body
}
