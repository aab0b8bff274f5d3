import * as openid from 'openid-client'
import { UpstreamRefused, UpstreamUnavailable } from '../errors.ts'
import { createDiscovery } from './discovery.ts'
import type { Identity } from './identities.ts'
import type { OpenUpstream } from './upstreams.ts'

/** What a sign-in is asked for with, and held to afterwards. */
export interface Checks {
  readonly redirectUri: string
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
}

/** Who signed in at an upstream. */
export interface UpstreamSignIn {
  readonly identity: Identity
  /** When, where the upstream says so. */
  readonly authenticatedAt: Date | undefined
  /** What the upstream says of the person; nothing of it is checked. */
  profile(): Promise<{ readonly email?: string; readonly name?: string }>
}

/** Us, as a client of upstreams: authorization code with PKCE, state and nonce. */
export interface RelyingParty {
  /**
   * Where to send a browser to.
   * @param maxAge how many seconds ago the person may have signed in there; 0 asks for a new sign-in
   * @throws {UpstreamUnavailable}
   */
  authorizationUrl(upstream: OpenUpstream, checks: Checks, maxAge: number): Promise<URL>
  /**
   * Redeems the answer of an upstream.
   * @param answer the query of the redirect URI
   * @returns undefined when the person, or the upstream, declined (RFC 6749 4.1.2.1 `access_denied`)
   * @throws {UpstreamRefused} when it is another error, of another issuer (RFC 9207), or not what was asked for
   * @throws {UpstreamUnavailable}
   */
  redeem(upstream: OpenUpstream, answer: string, checks: Checks): Promise<UpstreamSignIn | undefined>
}

export function createRelyingParty(): RelyingParty {
  const discovered = createDiscovery()
  const find = (upstream: OpenUpstream) =>
    discovered(upstream).catch((error: unknown) => {
      throw new UpstreamUnavailable(upstream.name, error)
    })

  return {
    async authorizationUrl(upstream, { redirectUri, state, nonce, codeVerifier }, maxAge) {
      const configuration = await find(upstream)
      const parameters = {
        redirect_uri: redirectUri,
        scope: 'openid email profile',
        state,
        nonce,
        code_challenge: await openid.calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: 'S256',
        // Without it a provider need not say when the person signed in (OpenID Connect Core 3.1.2.1).
        max_age: String(maxAge),
        ...(maxAge === 0 ? { prompt: 'login' } : {}),
      }
      const isPushed = configuration.serverMetadata().require_pushed_authorization_requests === true
      if (!isPushed) return openid.buildAuthorizationUrl(configuration, parameters)
      return openid.buildAuthorizationUrlWithPAR(configuration, parameters).catch((error: unknown) => {
        throw new UpstreamUnavailable(upstream.name, error)
      })
    },

    async redeem(upstream, answer, { redirectUri, state, nonce, codeVerifier }) {
      const configuration = await find(upstream)
      const checks = {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: codeVerifier,
        idTokenExpected: true,
      }
      const tokens = await openid
        .authorizationCodeGrant(configuration, new URL(redirectUri + answer), checks)
        .catch((error: unknown) => {
          if (error instanceof openid.AuthorizationResponseError && error.error === 'access_denied') return undefined
          if (isOfAnswer(error)) throw new UpstreamRefused(upstream.name, error)
          throw new UpstreamUnavailable(upstream.name, error)
        })
      if (tokens === undefined) return undefined
      const claims = tokens.claims()
      // At most 255 ASCII characters (OpenID Connect Core 2).
      if (claims === undefined || !/^[\x20-\x7e]{1,255}$/.test(claims.sub)) throw new UpstreamRefused(upstream.name)
      const { sub, auth_time: authTime } = claims
      return {
        identity: { issuer: upstream.issuer, subject: sub },
        authenticatedAt: isSecond(authTime) ? new Date(authTime * 1000) : undefined,
        async profile() {
          const isTold = typeof claims.email === 'string'
          const found = isTold
            ? claims
            : await openid.fetchUserInfo(configuration, tokens.access_token, sub).catch(() => ({}))
          const { email, name } = found as { email?: unknown; name?: unknown }
          return { ...(isShort(email) && { email }), ...(isShort(name) && { name }) }
        },
      }
    },
  }
}

/** A claim that can be put into a form of ours. */
const isShort = (value: unknown): value is string => typeof value === 'string' && value.length <= 200

/** A moment in seconds since 1970, before the year 5000. */
const isSecond = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value < 1e11

/** Codes of openid-client for what is no answer of a provider at all. */
const NO_ANSWER = [
  'OAUTH_TIMEOUT',
  'OAUTH_ABORT',
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_RESPONSE_IS_NOT_JSON',
  'OAUTH_PARSE_ERROR',
]

/** Whether an error tells that the answer will not do, and not that there was none. */
function isOfAnswer(error: unknown): boolean {
  if (error instanceof openid.AuthorizationResponseError) return true
  if (error instanceof openid.ResponseBodyError) return error.status < 500
  return error instanceof openid.ClientError && error.code !== undefined && !NO_ANSWER.includes(error.code)
}
