import type { KoaContextWithOIDC } from 'oidc-provider'
import { RECENT_SIGN_IN } from '../credentials/authorize.ts'
import type { FirstPartySession } from '../sessions/sessions.ts'

/** A person gave the password, at some time in the session that the authorization comes of. */
const PASSWORD = 'urn:gatehouse:acr:password'

/** The same within {@link RECENT_SIGN_IN} before the authorization. */
const RECENT_PASSWORD = 'urn:gatehouse:acr:password-recent'

/** A person signed in at an upstream provider, by what that asks for. */
const UPSTREAM = 'urn:gatehouse:acr:upstream'

/** The authentication context classes (OpenID Connect Core 2, RFC 9470 4) that are published, the stronger one first. */
export const ACR_VALUES = [RECENT_PASSWORD, PASSWORD]

/** The one of upstreams is there where an upstream is. */
const ALL_ACR_VALUES = [...ACR_VALUES, UPSTREAM]

/** When and where a person signed in. */
interface SignIn {
  readonly authenticatedAt: Date
  readonly isAtUpstream: boolean
}

/** What a first-party session came of. */
export const signInOf = ({ authenticatedAt, upstreamIssuer }: FirstPartySession): SignIn => ({
  authenticatedAt,
  isAtUpstream: upstreamIssuer !== null,
})

/** Those of a request's `acr_values` that there are; a request may name others, which ask for nothing (Core 15.1). */
export function askedAcrValues(acrValues: unknown): string[] {
  return typeof acrValues === 'string' ? acrValues.split(' ').filter((value) => ALL_ACR_VALUES.includes(value)) : []
}

/**
 * Which class a sign-in is of: the first that was asked for and is met, else the strongest.
 * @returns undefined when it meets none of those that were asked for
 */
export function metAcr(signIn: SignIn, asked: readonly string[], now: Date): string | undefined {
  const isRecent = now.getTime() - signIn.authenticatedAt.getTime() <= RECENT_SIGN_IN * 1000
  const met = signIn.isAtUpstream ? [UPSTREAM] : isRecent ? [RECENT_PASSWORD, PASSWORD] : [PASSWORD]
  return asked.length === 0 ? met[0] : asked.find((value) => met.includes(value))
}

/** Whether a sign-in at an upstream can be what a request asks for. */
export function takesUpstream(acrValues: unknown): boolean {
  const asked = askedAcrValues(acrValues)
  return asked.length === 0 || asked.includes(UPSTREAM)
}

/** By what the person signed in (RFC 8176 2); what an upstream asked for is not known, so its class alone is told. */
export const methodOf = ({ upstreamIssuer }: FirstPartySession) =>
  upstreamIssuer === null ? { amr: ['pwd'] } : { acr: UPSTREAM }

/** The sign-in that the engine's session came of, at this time. */
export const knownSignIn = (acr: string | undefined, loginTs: number): SignIn => ({
  authenticatedAt: new Date(loginTs * 1000),
  isAtUpstream: acr === UPSTREAM,
})

/** What a token request redeems that a person has allowed. */
export function redeemedBy({ oidc: { entities } }: KoaContextWithOIDC) {
  const answered = entities.DeviceCode ?? entities.BackchannelAuthenticationRequest
  return entities.AuthorizationCode ?? entities.RefreshToken ?? answered
}

/** How and when the person signed in for what a token request redeems (RFC 9068 2.2.1, RFC 9470 6). */
export function authenticationOf(ctx: KoaContextWithOIDC) {
  const source = redeemedBy(ctx)
  return source === undefined ? {} : { auth_time: source.authTime, acr: source.acr, amr: source.amr }
}
