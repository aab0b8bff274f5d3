import type { Client } from 'oidc-provider'

/** FAPI 2.0 Security Profile 5.4.1. */
const ALGS = new Set<unknown>(['PS256', 'ES256', 'EdDSA', 'Ed25519'])

/** How far ahead the clocks of clients may be, in seconds (5.3.2.1). */
const MOST_SKEW = 60

/** The engine's name of the profile that a client is held to. */
export const profileOf = (client: Client | undefined) => (client?.security_profile === 'fapi2' ? '2.0' : undefined)

/**
 * What the profile forbids of something its client signed; undefined when it forbids nothing, or the client is of no
 * profile.
 */
export function profileProblem(client: Client, { alg }: { alg?: unknown }, claims: Record<string, unknown>) {
  if (profileOf(client) === undefined) return undefined
  if (!ALGS.has(alg)) return 'must be signed by PS256, ES256 or EdDSA'
  const latest = Date.now() / 1000 + MOST_SKEW
  const isAhead = [claims.iat, claims.nbf].some((moment) => moment !== undefined && !(Number(moment) <= latest))
  return isAhead ? 'must not be from the future' : undefined
}
