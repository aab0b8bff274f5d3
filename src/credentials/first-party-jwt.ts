import { jwtVerify } from 'jose'
import type { Database } from '../database/client.ts'
import { InvalidCredential } from '../errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { scopesOfRole } from '../resources/scopes.ts'
import { FIRST_PARTY_JWT_TYPE, firstPartyIssuer } from '../sessions/first-party-jwt.ts'
import { findLiveSession } from '../sessions/sessions.ts'
import { bearerToken, jwsHeader } from './presented.ts'
import type { CredentialVerifier } from './verifier.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Judges first-party JWTs: signature and claims, then that the session and the account still live. */
export function createFirstPartyJwtVerifier({
  db,
  keys,
  issuer,
}: {
  db: Database
  keys: KeyRing
  issuer: string
}): CredentialVerifier {
  return {
    kind: 'first_party_jwt',

    presented(request) {
      const bearer = bearerToken(request)
      return bearer !== undefined && jwsHeader(bearer)?.typ === FIRST_PARTY_JWT_TYPE ? bearer : undefined
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
      const sessionId = String(payload.sid)
      const found = UUID.test(sessionId) ? await findLiveSession(db, sessionId, now) : undefined
      if (found === undefined || found.account.id !== payload.sub) throw new InvalidCredential('the session is over')
      return {
        subject: { kind: 'account', id: found.account.id },
        clientId: undefined,
        scope: scopesOfRole(found.account.role),
        role: found.account.role,
        credential: {
          kind: 'first_party_jwt',
          id: String(payload.jti),
          sessionId,
          authenticatedAt: found.session.authenticatedAt,
        },
      }
    },
  }
}
