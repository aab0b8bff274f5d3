import { jwtVerify } from 'jose'
import { isRole, type Role } from '../accounts/accounts.ts'
import type { Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { InvalidCredential } from '../errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { scopesOfRole } from '../resources/scopes.ts'
import { FIRST_PARTY_JWT_TYPE, firstPartyIssuer } from '../sessions/first-party-jwt.ts'
import { findLiveSession } from '../sessions/sessions.ts'
import { bearerJwsHeader, bearerToken, requireForm, requireMoment } from './presented.ts'
import type { CredentialVerifier, IsUnchanged } from './verifier.ts'

/**
 * Judges first-party JWTs by signature and claims, and only when session or account changed since it was
 * issued by what the database says now.
 */
export function createFirstPartyJwtVerifier({
  db,
  keys,
  issuer,
  isUnchanged,
}: {
  db: Database
  keys: KeyRing
  issuer: string
  isUnchanged: IsUnchanged
}): CredentialVerifier {
  return {
    kind: 'first_party_jwt',

    presented(request) {
      return bearerJwsHeader(request)?.typ === FIRST_PARTY_JWT_TYPE ? bearerToken(request) : undefined
    },

    async verify(presented, now) {
      const { payload } = await jwtVerify(
        presented,
        async ({ kid, alg }) => {
          const key = await keys.verifier('first_party', kid, alg)
          if (key === undefined) throw new InvalidCredential('no such key')
          return key
        },
        {
          algorithms: ['ES256'],
          typ: FIRST_PARTY_JWT_TYPE,
          issuer: firstPartyIssuer(issuer),
          audience: firstPartyIssuer(issuer),
          requiredClaims: ['exp', 'iat', 'jti', 'sub', 'sid', 'auth_time'],
          currentDate: now,
        },
      ).catch((cause: unknown) => {
        throw new InvalidCredential(cause)
      })
      const sessionId = requireForm(payload.sid, UUID)
      const accountId = requireForm(payload.sub, UUID)
      const tags: Tag[] = [`session ${sessionId}`, `account ${accountId}`]
      const believed = isRole(payload.role) && isUnchanged(tags, requireMoment(payload.iat))
      const role = believed ? (payload.role as Role) : await currentRole(sessionId, accountId, now)
      return {
        principal: {
          subject: { kind: 'account', id: accountId },
          clientId: undefined,
          scope: scopesOfRole(role),
          role,
          credential: {
            kind: 'first_party_jwt',
            id: String(payload.jti),
            sessionId,
            authenticatedAt: requireMoment(payload.auth_time),
          },
        },
        tags,
        expiresAt: requireMoment(payload.exp),
      }
    },
  }

  async function currentRole(sessionId: string, accountId: string, now: Date): Promise<Role> {
    const found = await findLiveSession(db, sessionId, now)
    if (found === undefined || found.account.id !== accountId) throw new InvalidCredential('the session is over')
    return found.account.role
  }
}
