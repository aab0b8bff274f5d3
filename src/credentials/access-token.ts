import { jwtVerify } from 'jose'
import { type Account, isRole, type Role } from '../accounts/accounts.ts'
import type { Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { InvalidCredential, UnknownCredential } from '../errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { builtInIdentifier, type Resource } from '../resources/resources.ts'
import { narrowToRole, splitScope } from '../resources/scopes.ts'
import { FIRST_PARTY_JWT_TYPE } from '../sessions/first-party-jwt.ts'
import { namedIndex } from '../status-lists/place.ts'
import {
  earlier,
  findOpaqueToken,
  findTokenOwner,
  momentOf,
  type OwnedBy,
  type TokenClaims,
} from './access-token-state.ts'
import { confirmationOf } from './confirmation.ts'
import { CLIENT_ID, DEPENDS_ON, readParents } from './lineage.ts'
import { bearerJwsHeader, bearerToken, dpopToken, jwsHeader, requireForm, requireMoment } from './presented.ts'
import type { CredentialVerifier, IsUnchanged, Verified } from './verifier.ts'

export interface AccessTokenDependencies {
  readonly db: Database
  readonly keys: KeyRing
  readonly issuer: string
  readonly apiKeyPrefix: string
  readonly isUnchanged: IsUnchanged
  readonly findResource: (identifier: string) => Promise<Resource | undefined>
}

const OPAQUE_ID = /^[\w-]{21,64}$/
const SUBJECT = new RegExp(`${UUID.source}|${CLIENT_ID.source}`)

/** An access token that is what it says it is, and whose role is known unless it changed since it was issued. */
interface Judged extends TokenClaims {
  readonly role: Role | undefined
  /** When it was looked up on the way. */
  readonly account?: Account | undefined
  /** Identifier of the operator's resource that it is for. */
  readonly resource?: string
}

/**
 * Judges OAuth access tokens. An RFC 9068 JWT is judged by signature and
 * claims, and only when what it depends on changed since it was issued by what the database says now;
 * an opaque one by its digest, which one look-up finds with grant, client and account.
 */
export function createAccessTokenVerifier(dependencies: AccessTokenDependencies): CredentialVerifier {
  const { apiKeyPrefix } = dependencies
  return {
    kind: 'access_token',

    presented(request) {
      const dpop = dpopToken(request)
      if (dpop !== undefined) return dpop
      const bearer = bearerToken(request)
      if (bearer === undefined || bearer.startsWith(apiKeyPrefix)) return undefined
      return bearerJwsHeader(request)?.typ === FIRST_PARTY_JWT_TYPE ? undefined : bearer
    },

    async verify(presented, now, audience) {
      const judged = await judgeAccessToken(dependencies, presented, now)
      if (judged.audience !== audience) throw new InvalidCredential('for another resource')
      return judged.verified
    },
  }
}

/**
 * What an access token stands for, whatever resource it is for and whoever presents it: both are for the caller to judge.
 * @throws {InvalidCredential}
 */
export async function judgeAccessToken(
  dependencies: Omit<AccessTokenDependencies, 'apiKeyPrefix'>,
  presented: string,
  now: Date,
): Promise<TokenClaims & { readonly verified: Verified }> {
  const { db } = dependencies
  const found = presented.includes('.')
    ? await judgeJwt(dependencies, presented, now)
    : await findOpaqueToken(db, presented, now)
  if (found === undefined) throw new UnknownCredential('no such access token')
  const judged = await withinResource(dependencies, found)
  if (judged.role !== undefined) return { ...judged, verified: verifiedOf(judged, judged.role) }
  const owner = await findTokenOwner(db, judged, now)
  if (owner === undefined) throw new InvalidCredential('what it depends on is gone, or it was revoked')
  const expiresAt = earlier(judged.expiresAt, owner.until)
  return { ...judged, verified: verifiedOf({ ...judged, expiresAt }, owner.role) }
}

/**
 * A token with the scope and the types of authorization details that its resource still has.
 * @throws {InvalidCredential} when the resource is gone, or another one has its identifier now
 */
async function withinResource(
  { issuer, findResource }: Pick<AccessTokenDependencies, 'issuer' | 'findResource'>,
  judged: Judged,
): Promise<Judged> {
  const { audience } = judged
  if (audience === undefined || audience === builtInIdentifier(issuer)) return judged
  const resource = await findResource(audience)
  if (resource === undefined) throw new InvalidCredential('its resource is gone')
  const since = Math.floor(resource.createdAt.getTime() / 1000)
  if (!(Number(judged.claims.iat) >= since)) throw new InvalidCredential('its resource is gone, and another there')
  const scope = splitScope(judged.scope).filter((name) => Object.hasOwn(resource.scopes, name))
  const { authorization_details: details, ...claims } = judged.claims
  const kept = (details as { type: string }[] | undefined)?.filter(({ type }) =>
    Object.hasOwn(resource.authorizationDetailsTypes, type),
  )
  return {
    ...judged,
    resource: audience,
    scope: scope.join(' '),
    claims: kept === undefined ? claims : { ...claims, authorization_details: kept },
  }
}

async function judgeJwt(
  { keys, issuer, isUnchanged }: Pick<AccessTokenDependencies, 'keys' | 'issuer' | 'isUnchanged'>,
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
      requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id', 'aud'],
      currentDate: now,
    },
  ).catch((cause: unknown) => {
    throw new InvalidCredential(cause)
  })
  const clientId = requireForm(payload.client_id, CLIENT_ID)
  const parents = readParents(payload[DEPENDS_ON])
  const subject = payload.sub === clientId ? clientId : requireForm(payload.sub, parents.length > 0 ? SUBJECT : UUID)
  const hasGrant = subject !== clientId && parents.length === 0
  const claims = {
    id: requireForm(payload.jti, OPAQUE_ID),
    subject,
    clientId,
    scope: typeof payload.scope === 'string' ? payload.scope : '',
    audience: typeof payload.aud === 'string' ? payload.aud : undefined,
    grantId: hasGrant ? requireForm(payload.grant_id, OPAQUE_ID) : undefined,
    expiresAt: requireMoment(payload.exp),
    authenticatedAt: momentOf(payload.auth_time),
    confirmation: confirmationOf(payload.cnf),
    parents,
    claims: payload,
  }
  const said = UUID.test(subject) ? payload.role : roleOfClient(payload.role)
  const believed = isRole(said) && isUnchanged(tagsOf(claims), requireMoment(payload.iat))
  return { ...claims, role: believed ? said : undefined }
}

/**
 * Of a client for itself. That it is an administrator is not believed but looked up: whoever issued the token may not yet
 * have heard that it is none any more.
 */
const roleOfClient = (said: unknown) => (said === 'admin' ? undefined : 'service')

function verifiedOf(claims: Judged, role: Role): Verified {
  const { id, subject, clientId, grantId, expiresAt, authenticatedAt, account, confirmation, resource } = claims
  return {
    principal: {
      subject: { kind: UUID.test(subject) ? 'account' : 'client', id: subject },
      clientId,
      scope: narrowToRole(splitScope(claims.scope), role),
      role,
      credential: {
        kind: 'access_token',
        id,
        grantId,
        expiresAt,
        authenticatedAt,
        statusIndex: namedIndex(claims.claims.status),
      },
    },
    tags: resource === undefined ? tagsOf(claims) : [...tagsOf(claims), `resource ${resource}`],
    expiresAt,
    account,
    confirmation,
  }
}

function tagsOf({ id, subject, clientId, grantId, parents }: OwnedBy): Tag[] {
  const own: Tag[] = [`token ${id}`, `client ${clientId}`]
  if (parents.length > 0) return [...own, UUID.test(subject) ? `account ${subject}` : `client ${subject}`, ...parents]
  return subject === clientId ? own : [...own, `account ${subject}`, `grant ${grantId}`]
}
