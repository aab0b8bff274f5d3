import { jwtVerify } from 'jose'
import type { Database } from '../database/client.ts'
import { InvalidCredential } from '../errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { builtInIdentifier } from '../resources/resources.ts'
import { narrowToRole, splitScope } from '../resources/scopes.ts'
import { FIRST_PARTY_JWT_TYPE } from '../sessions/first-party-jwt.ts'
import { findOpaqueToken, findTokenOwner, type TokenClaims } from './access-token-state.ts'
import { bearerToken, jwsHeader } from './presented.ts'
import type { Principal } from './principal.ts'
import type { CredentialVerifier } from './verifier.ts'

export interface AccessTokenDependencies {
  readonly db: Database
  readonly keys: KeyRing
  readonly issuer: string
  readonly apiKeyPrefix: string
}

/**
 * Judges OAuth access tokens for the built-in resource: RFC 9068 JWTs by signature and claims,
 * opaque ones by their digest; both then by what their grant, client and account are now.
 */
export function createAccessTokenVerifier(dependencies: AccessTokenDependencies): CredentialVerifier {
  const { db, apiKeyPrefix } = dependencies
  return {
    kind: 'access_token',

    presented(request) {
      const bearer = bearerToken(request)
      if (bearer === undefined || bearer.startsWith(apiKeyPrefix)) return undefined
      return jwsHeader(bearer)?.typ === FIRST_PARTY_JWT_TYPE ? undefined : bearer
    },

    async verify(presented, now) {
      const claims = presented.includes('.')
        ? await verifyJwt(dependencies, presented, now)
        : await findOpaqueToken(db, presented, now)
      if (claims === undefined) throw new InvalidCredential('no such access token')
      if (claims.audience !== builtInIdentifier(dependencies.issuer))
        throw new InvalidCredential('for another resource')
      if (claims.bound) throw new InvalidCredential('bound to a key that was not proven')
      return principalOf(db, claims, now)
    },
  }
}

async function verifyJwt({ keys, issuer }: AccessTokenDependencies, token: string, now: Date): Promise<TokenClaims> {
  if (jwsHeader(token) === undefined) throw new InvalidCredential('not a canonical compact JWS')
  const { payload } = await jwtVerify(
    token,
    async ({ kid, alg }) => {
      const key = await keys.verifier('authorization_server', kid, alg)
      if (key === undefined) throw new InvalidCredential('no such key')
      return key
    },
    {
      algorithms: ['ES256', 'RS256'],
      typ: 'at+jwt',
      issuer,
      audience: builtInIdentifier(issuer),
      requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id'],
      currentDate: now,
    },
  ).catch((cause: unknown) => {
    throw new InvalidCredential(cause)
  })
  const text = (name: string): string => {
    const value = payload[name]
    if (typeof value !== 'string' || value.includes('\0')) throw new InvalidCredential(`${name} is not text`)
    return value
  }
  return {
    id: text('jti'),
    subject: text('sub'),
    clientId: text('client_id'),
    scope: typeof payload.scope === 'string' ? payload.scope : '',
    audience: builtInIdentifier(issuer),
    grantId: payload.grant_id === undefined ? undefined : text('grant_id'),
    expiresAt: new Date(Number(payload.exp) * 1000),
    bound: payload.cnf !== undefined,
  }
}

async function principalOf(db: Database, claims: TokenClaims, now: Date): Promise<Principal> {
  const owner = await findTokenOwner(db, claims, now)
  if (owner === undefined) throw new InvalidCredential('its grant, client or account is gone, or it was revoked')
  return {
    subject: { kind: owner.kind, id: claims.subject },
    clientId: claims.clientId,
    scope: narrowToRole(splitScope(claims.scope), owner.role),
    role: owner.role,
    credential: { kind: 'access_token', id: claims.id, grantId: claims.grantId, expiresAt: claims.expiresAt },
  }
}
