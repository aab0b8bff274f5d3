import { randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import type { KeyRing } from '../keys/key-ring.ts'
import type { FirstPartySession } from './sessions.ts'

/** Seconds a first-party JWT is good for. */
export const FIRST_PARTY_JWT_LIFETIME = 300

/** What tells a first-party JWT from every other token we sign (RFC 8725 3.11, 3.12). */
export const FIRST_PARTY_JWT_TYPE = 'first-party+jwt'

/** Its `iss` and `aud`: our own sign-in, not the issuer of access tokens. */
export const firstPartyIssuer = (issuer: string) => `${issuer}/api/auth`

/** Issues the short-lived JWT of a session, ES256, for an account that it names in `sub`. */
export async function issueFirstPartyJwt(
  { issuer, keys }: { issuer: string; keys: KeyRing },
  session: FirstPartySession,
  accountId: string,
  now: Date,
): Promise<string> {
  const { kid, alg, key } = await keys.signer('first_party')
  const issuedAt = Math.floor(now.getTime() / 1000)
  return new SignJWT({ sid: session.id, auth_time: Math.floor(session.authenticatedAt.getTime() / 1000) })
    .setProtectedHeader({ alg, kid, typ: FIRST_PARTY_JWT_TYPE })
    .setIssuer(firstPartyIssuer(issuer))
    .setAudience(firstPartyIssuer(issuer))
    .setSubject(accountId)
    .setJti(randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + FIRST_PARTY_JWT_LIFETIME)
    .sign(key)
}
