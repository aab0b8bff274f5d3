import { randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Account } from '../accounts/accounts.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { FirstPartySession } from './sessions.ts'

/** Seconds a first-party JWT is good for, unless its session ends before. */
export const FIRST_PARTY_JWT_LIFETIME = 300

/** What tells a first-party JWT from every other token we sign (RFC 8725 3.11, 3.12). */
export const FIRST_PARTY_JWT_TYPE = 'first-party+jwt'

/** Its `iss` and `aud`: our own sign-in, not the issuer of access tokens. */
export const firstPartyIssuer = (issuer: string) => `${issuer}/api/auth`

/** Issues the short-lived JWT of a session, ES256, for an account that it names in `sub`. */
export async function issueFirstPartyJwt(
  { issuer, keys }: { issuer: string; keys: KeyRing },
  session: FirstPartySession,
  account: Account,
  now: Date,
): Promise<{ accessToken: string; expiresIn: number }> {
  const { kid, alg, key } = await keys.signer('first_party')
  const issuedAt = Math.floor(now.getTime() / 1000)
  const expiresAt = Math.min(issuedAt + FIRST_PARTY_JWT_LIFETIME, Math.floor(session.expiresAt.getTime() / 1000))
  const accessToken = await new SignJWT({
    sid: session.id,
    auth_time: Math.floor(session.authenticatedAt.getTime() / 1000),
    role: account.role,
  })
    .setProtectedHeader({ alg, kid, typ: FIRST_PARTY_JWT_TYPE })
    .setIssuer(firstPartyIssuer(issuer))
    .setAudience(firstPartyIssuer(issuer))
    .setSubject(account.id)
    .setJti(randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(key)
  return { accessToken, expiresIn: expiresAt - issuedAt }
}
