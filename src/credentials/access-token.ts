import { jwtVerify } from 'jose'
import { type Account, isRole, type Role } from '../accounts/accounts.ts'
import type { Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { InvalidCredential, UnknownCredential } from '../errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { builtInIdentifier } from '../resources/resources.ts'
import { narrowToRole, splitScope } from '../resources/scopes.ts'
import { FIRST_PARTY_JWT_TYPE } from '../sessions/first-party-jwt.ts'
import { findOpaqueToken, findTokenOwner, type TokenClaims } from './access-token-state.ts'
import { bearerJwsHeader, bearerToken, jwsHeader, requireForm } from './presented.ts'
import type { CredentialVerifier, IsUnchanged, Verified } from './verifier.ts'

export interface AccessTokenDependencies {
  readonly db: Database
  readonly keys: KeyRing
  readonly issuer: string
  readonly apiKeyPrefix: string
  readonly isUnchanged: IsUnchanged
}

const CLIENT_ID = /^client_[0-9a-f]{32}$/
const OPAQUE_ID = /^[\w-]{21,64}$/

/** An access token that is what it says it is, and whose role is known unless it changed since it was issued. */
interface Judged extends TokenClaims {
  readonly role: Role | undefined
  /** When it was looked up on the way. */
  readonly account?: Account | undefined
}

/**
 * Judges OAuth access tokens for the built-in resource. An RFC 9068 JWT is judged by signature and
 * claims, and only when what it depends on changed since it was issued by what the database says now;
 * an opaque one by its digest, which one look-up finds with grant, client and account.
 */
export function createAccessTokenVerifier(dependencies: AccessTokenDependencies): CredentialVerifier {
  const { db, apiKeyPrefix } = dependencies
  return {
    kind: 'access_token',

    presented(request) {
      const bearer = bearerToken(request)
      if (bearer === undefined || bearer.startsWith(apiKeyPrefix)) return undefined
      return bearerJwsHeader(request)?.typ === FIRST_PARTY_JWT_TYPE ? undefined : bearer
    },

    async verify(presented, now) {
      const judged = presented.includes('.')
        ? await judgeJwt(dependencies, presented, now)
        : await findOpaqueToken(db, presented, now)
      if (judged === undefined) throw new UnknownCredential('no such access token')
      if (judged.audience !== builtInIdentifier(dependencies.issuer))
        throw new InvalidCredential('for another resource')
      if (judged.bound) throw new InvalidCredential('bound to a key that was not proven')
      return verifiedOf(judged, judged.role ?? (await currentRole(db, judged, now)))
    },
  }
}

async function judgeJwt(
  { keys, issuer, isUnchanged }: AccessTokenDependencies,
  token: string,
  now: Date,
): Promise<Judged> {
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
  const clientId = requireForm(payload.client_id, CLIENT_ID)
  const subject = payload.sub === clientId ? clientId : requireForm(payload.sub, UUID)
  const claims = {
    id: requireForm(payload.jti, OPAQUE_ID),
    subject,
    clientId,
    scope: typeof payload.scope === 'string' ? payload.scope : '',
    audience: builtInIdentifier(issuer),
    grantId: subject === clientId ? undefined : requireForm(payload.grant_id, OPAQUE_ID),
    expiresAt: new Date(Number(payload.exp) * 1000),
    bound: payload.cnf !== undefined,
  }
  const said = claims.subject === claims.clientId ? 'service' : payload.role
  const believed = isRole(said) && isUnchanged(tagsOf(claims), new Date(Number(payload.iat) * 1000))
  return { ...claims, role: believed ? said : undefined }
}

async function currentRole(db: Database, claims: TokenClaims, now: Date): Promise<Role> {
  const owner = await findTokenOwner(db, claims, now)
  if (owner === undefined) throw new InvalidCredential('its grant, client or account is gone, or it was revoked')
  return owner.role
}

function verifiedOf(claims: Judged, role: Role): Verified {
  const { id, subject, clientId, grantId, expiresAt, account } = claims
  return {
    principal: {
      subject: { kind: subject === clientId ? 'client' : 'account', id: subject },
      clientId,
      scope: narrowToRole(splitScope(claims.scope), role),
      role,
      credential: { kind: 'access_token', id, grantId, expiresAt },
    },
    tags: tagsOf(claims),
    expiresAt,
    account,
  }
}

function tagsOf({
  id,
  subject,
  clientId,
  grantId,
}: Pick<TokenClaims, 'id' | 'subject' | 'clientId' | 'grantId'>): Tag[] {
  const own: Tag[] = [`token ${id}`, `client ${clientId}`]
  return subject === clientId ? own : [...own, `account ${subject}`, `grant ${grantId}`]
}
