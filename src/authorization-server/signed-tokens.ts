import { type Configuration, errors, type Provider } from 'oidc-provider'
import { jwsHeader } from '../credentials/presented.ts'
import { requireWellFormedText } from '../http/well-formed.ts'
import { wrapValidateIdToken } from './engine-internals.ts'
import { profileOf, profileProblem } from './fapi.ts'

/** Of an assertion, RFC 7523bis 4; of an ID token; in lower case, without what may stand before it (RFC 7515 4.1.9). */
const ASSERTION_TYPES = new Set<unknown>(['jwt', 'client-authentication+jwt'])
/** RFC 9101 10.8. */
const REQUEST_OBJECT_TYPES = new Set<unknown>(['jwt', 'oauth-authz-req+jwt'])
const ID_TOKEN_TYPES = new Set<unknown>(['jwt'])

/** How far ahead an assertion may end, in seconds: its `jti` is remembered until then. */
const MOST_AHEAD = 24 * 3600

/** The same of an authorization request, which may be sent again until then (FAPI 2.0 Message Signing 5.3.1). */
const LONGEST_REQUEST = 3600

const MAX_DEPTH = 16

type Features = NonNullable<Configuration['features']>
type AssertRequestObject = NonNullable<NonNullable<Features['requestObjects']>['assertJwtClaimsAndHeader']>

/**
 * What the engine does not ask of the assertion by which a client authenticates: that it is of no other type, so that
 * nothing else the client signs is one; that it has one spelling; that it ends within a day; what its profile asks.
 * @throws {errors.InvalidClientAuth}
 */
export const requireClientAssertion: NonNullable<Configuration['assertJwtClientAuthClaimsAndHeader']> = async (
  ctx,
  claims,
  header,
  client,
) => {
  if (!isOfType(ctx.oidc.params?.client_assertion, ASSERTION_TYPES)) {
    throw new errors.InvalidClientAuth('the client_assertion is no compact JWS of its type')
  }
  if (!(Number(claims.exp) <= Date.now() / 1000 + MOST_AHEAD)) {
    throw new errors.InvalidClientAuth('the client_assertion must expire within a day')
  }
  if (profileOf(client) !== undefined && claims.aud !== ctx.oidc.issuer) {
    throw new errors.InvalidClientAuth('the client_assertion must be for the issuer alone')
  }
  const problem = profileProblem(client, header, claims)
  if (problem !== undefined) throw new errors.InvalidClientAuth(`the client_assertion ${problem}`)
}

/**
 * What the engine does not ask of a signed authorization request (RFC 9101): that it is of no other type, so that
 * nothing else the client signs is one; that it has one spelling, names its client and ends within an hour.
 * @throws {errors.InvalidRequestObject}
 */
export const requireRequestObject: AssertRequestObject = async (ctx, claims, header, client) => {
  const { clientId } = client
  // What was pushed was looked at then.
  if (ctx.oidc.entities.PushedAuthorizationRequest !== undefined) return
  if (!isOfType(ctx.oidc.params?.request, REQUEST_OBJECT_TYPES)) {
    throw new errors.InvalidRequestObject('the request is no compact JWS of its type')
  }
  const isOfPerson = ctx.oidc.route === 'backchannel_authentication'
  if (isOfPerson && ['iat', 'nbf', 'exp', 'jti'].some((name) => claims[name] === undefined)) {
    throw new errors.InvalidRequestObject('the request must have iat, nbf, exp and jti (CIBA 7.1.1)')
  }
  if (!isOfPerson && claims.client_id !== clientId)
    throw new errors.InvalidRequestObject('the request names no client_id')
  if (claims.sub === clientId) throw new errors.InvalidRequestObject('the request is what a client authenticates by')
  if (!(Number(claims.exp) <= Date.now() / 1000 + LONGEST_REQUEST)) {
    throw new errors.InvalidRequestObject('the request must expire within an hour')
  }
  const isBounded = Number(claims.exp) <= Number(claims.nbf) + LONGEST_REQUEST
  if (profileOf(client) !== undefined && !isBounded) {
    throw new errors.InvalidRequestObject('the request must have an nbf, of an hour before its exp at most')
  }
  const problem = profileProblem(client, header, claims)
  if (problem !== undefined) throw new errors.InvalidRequestObject(`the request ${problem}`)
  try {
    requireWellFormedText(claims, MAX_DEPTH)
  } catch (cause) {
    throw new errors.InvalidRequestObject('the request holds text that is none', { cause } as never)
  }
}

/** Has the engine take an ID token as a hint when it is of no other type and has one spelling (RFC 8725 3.11, 3.12). */
export function requireIdTokenHints(provider: Provider): void {
  wrapValidateIdToken(provider, (validate) => async (jwt, client) => {
    if (!isOfType(jwt, ID_TOKEN_TYPES)) throw new Error('no compact JWS of the type of an ID token')
    const validated = await validate(jwt, client)
    // An answer to an authorization request (JARM) is signed by the same keys, for the same client.
    if (typeof (validated as { payload?: { sub?: unknown } }).payload?.sub !== 'string') throw new Error('no ID token')
    return validated
  })
}

/** Whether a token is a compact JWS in its one spelling, of one of these types or of none, with nothing critical. */
export function isOfType(token: unknown, types: ReadonlySet<unknown>): boolean {
  const header = typeof token === 'string' ? jwsHeader(token) : undefined
  if (header === undefined || 'crit' in header) return false
  const { typ } = header
  return typ === undefined || (typeof typ === 'string' && types.has(typ.toLowerCase().replace(/^application\//, '')))
}
