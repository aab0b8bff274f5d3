import { and, eq, gt, inArray, isNull, notExists, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { ACCOUNT_COLUMNS, type Account, findAccount, type Role } from '../accounts/accounts.ts'
import { type AuditEvent, type Origin, record } from '../audit/audit.ts'
import { findClient } from '../clients/clients.ts'
import { announce, type Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { accounts, clients, providerModels, revokedTokens } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { digest } from '../secrets/opaque-token.ts'
import { type Confirmation, confirmationOf } from './confirmation.ts'
import { DEPENDS_ON, lineageEnd, readParents } from './lineage.ts'

/** What an access token says, whatever its format. */
export interface TokenClaims {
  /** `jti` of a JWT; the digest of an opaque token, which is as good a name and gives nothing away. */
  readonly id: string
  readonly subject: string
  readonly clientId: string
  readonly scope: string
  readonly audience: string | undefined
  readonly grantId: string | undefined
  readonly expiresAt: Date
  /** When the person signed in for whom it was issued. */
  readonly authenticatedAt: Date | undefined
  /** What it was got by other than a grant, and ends with. */
  readonly parents: readonly Tag[]
  /** All that it says, as the claims of a JWT (RFC 9068 2.2); of an opaque token without its `jti`. */
  readonly claims: Readonly<Record<string, unknown>>
  /** What its holder must prove besides, when it is bound to something. */
  readonly confirmation: Confirmation | undefined
}

/** What a token's owner is found by. */
export type OwnedBy = Pick<TokenClaims, 'id' | 'subject' | 'clientId' | 'grantId' | 'parents'>

const grants = alias(providerModels, 'grants')
/** In so many words, not as a parameter: only then may a prepared statement use the index of grants. */
const isGrant = (model: typeof providerModels.model | typeof grants.model) => sql`${model} = 'Grant'`

/** The subject of a token that was exchanged may be a client. */
const accountIdAsUuid = sql`case when ${providerModels.accountId} not like 'client%' then ${providerModels.accountId}::uuid end`

const opaqueByDigest = statement((db) =>
  db
    .select({
      payload: providerModels.payload,
      expiresAt: providerModels.expiresAt,
      account: ACCOUNT_COLUMNS,
      clientRole: clients.role,
      grantId: grants.grantId,
    })
    .from(providerModels)
    .innerJoin(clients, eq(clients.id, providerModels.clientId))
    .leftJoin(accounts, and(eq(accounts.id, accountIdAsUuid), isNull(accounts.disabledAt)))
    .leftJoin(
      grants,
      and(
        isGrant(grants.model),
        eq(grants.grantId, providerModels.grantId),
        eq(grants.accountId, providerModels.accountId),
        eq(grants.clientId, providerModels.clientId),
        gt(grants.expiresAt, sql`${sql.placeholder('now')}::timestamptz`),
      ),
    )
    .where(
      and(
        inArray(providerModels.model, ['AccessToken', 'ClientCredentials']),
        eq(providerModels.id, sql.placeholder('id')),
        gt(providerModels.expiresAt, sql`${sql.placeholder('now')}::timestamptz`),
        notExists(revocationOf(db)),
      ),
    )
    .prepare('find_opaque_access_token'),
)

/**
 * What an opaque access token says, and its owner now: one look-up of its digest, which
 * finds it only while grant, client and account live and it was not revoked.
 */
export async function findOpaqueToken(
  db: Database,
  token: string,
  now: Date,
): Promise<(TokenClaims & { role: Role; account: Account | undefined }) | undefined> {
  const id = digest(token)
  const [row] = await opaqueByDigest(db).execute({ id, now: now.toISOString() })
  if (row === undefined) return undefined
  const {
    clientId = '',
    accountId,
    grantId,
    aud,
    scope,
    extra,
    exp,
    iat,
    jkt,
    'x5t#S256': x5t,
    rar,
  } = row.payload as Payload
  const owned = { id, subject: accountId ?? clientId, clientId, grantId, parents: readParents(extra?.[DEPENDS_ON]) }
  const expiresAt = row.expiresAt ?? now
  const cnf = cnfOf(jkt, x5t)
  const claims = {
    ...extra,
    ...{ sub: owned.subject, client_id: clientId, aud, scope, exp, iat },
    ...(rar === undefined ? {} : { authorization_details: rar }),
    ...(cnf === undefined ? {} : { cnf }),
  }
  const authenticatedAt = momentOf(extra?.auth_time)
  const said = {
    ...owned,
    scope: scope ?? '',
    audience: aud,
    expiresAt,
    authenticatedAt,
    confirmation: confirmationOf(cnf),
    claims,
  }
  if (owned.parents.length > 0) {
    const owner = await findTokenOwner(db, owned, now)
    if (owner === undefined) return undefined
    return { ...said, role: owner.role, expiresAt: earlier(expiresAt, owner.until), account: undefined }
  }
  const account = row.grantId === null ? undefined : (row.account ?? undefined)
  const role = accountId === undefined ? row.clientRole : account?.role
  return role === undefined ? undefined : { ...said, role, account }
}

/** An opaque token as the engine keeps it. */
interface Payload {
  readonly clientId?: string
  readonly accountId?: string
  readonly grantId?: string
  readonly aud?: string
  readonly scope?: string
  readonly extra?: Readonly<Record<string, unknown>>
  readonly exp?: number
  readonly iat?: number
  readonly jkt?: string
  readonly 'x5t#S256'?: string
  readonly rar?: readonly unknown[]
}

/** A NumericDate (RFC 7519 2) as a date; undefined when it is none. */
export function momentOf(seconds: unknown): Date | undefined {
  return typeof seconds === 'number' ? new Date(seconds * 1000) : undefined
}

/** The engine keeps the members of `cnf` beside the others. */
function cnfOf(jkt: string | undefined, x5t: string | undefined): Record<string, string> | undefined {
  if (jkt === undefined && x5t === undefined) return undefined
  return { ...(jkt === undefined ? {} : { jkt }), ...(x5t === undefined ? {} : { 'x5t#S256': x5t }) }
}

const accountWithGrant = statement((db) =>
  db
    .select({ role: accounts.role })
    .from(accounts)
    .innerJoin(
      providerModels,
      and(
        isGrant(providerModels.model),
        eq(providerModels.grantId, sql.placeholder('grantId')),
        eq(providerModels.accountId, sql.placeholder('subject')),
        eq(providerModels.clientId, sql.placeholder('clientId')),
        gt(providerModels.expiresAt, sql`${sql.placeholder('now')}::timestamptz`),
      ),
    )
    .innerJoin(clients, eq(clients.id, providerModels.clientId))
    .where(and(eq(accounts.id, sql.placeholder('subject')), isNull(accounts.disabledAt), notExists(revocationOf(db))))
    .prepare('find_access_token_account'),
)

const clientItself = statement((db) =>
  db
    .select({ role: clients.role })
    .from(clients)
    .where(and(eq(clients.id, sql.placeholder('clientId')), notExists(revocationOf(db))))
    .prepare('find_access_token_client'),
)

/** Whose token it is, and until when that is so as far as is known. */
export interface TokenOwner {
  readonly kind: 'account' | 'client'
  readonly role: Role
  readonly until?: Date
}

/**
 * Whose token it is, while its grant or what it was got by, client and account live and it was not revoked by itself.
 * A client is its own subject only when `sub` is its `client_id`; account identifiers never look like one.
 */
export async function findTokenOwner(db: Database, owned: OwnedBy, now: Date): Promise<TokenOwner | undefined> {
  const { id, subject, clientId, grantId, parents } = owned
  if (parents.length > 0) return findOwnerByParents(db, owned, now)
  if (subject === clientId) {
    const [client] = await clientItself(db).execute({ clientId, id })
    return client && { kind: 'client', role: client.role }
  }
  if (grantId === undefined || !UUID.test(subject)) return undefined
  const [account] = await accountWithGrant(db).execute({ subject, clientId, grantId, id, now: now.toISOString() })
  return account && { kind: 'account', role: account.role }
}

async function findOwnerByParents(db: Database, { id, subject, clientId, parents }: OwnedBy, now: Date) {
  const kind = UUID.test(subject) ? 'account' : 'client'
  const until = await lineageEnd(db, [`token ${id}`, `client ${clientId}`, `${kind} ${subject}`, ...parents], now)
  const owner = kind === 'client' ? await findClient(db, subject) : await findAccount(db, subject)
  const role = owner?.role
  return until && role && ({ kind, role, until } as const)
}

/** The earlier of two moments, of which one may not be known. */
export const earlier = (one: Date, other: Date | undefined) => (other !== undefined && other < one ? other : one)

/**
 * Marks an access token as revoked until it would have expired anyway. For who knows only its status (draft-ietf-oauth-status-list),
 * all tokens from before end that share it.
 */
export async function revokeAccessToken(
  db: Database,
  id: string,
  expiresAt: Date,
  now: Date,
  { statusIndex, ...by }: Origin & Pick<AuditEvent, 'subject'> & { readonly statusIndex?: number | undefined } = {},
): Promise<void> {
  await db.transaction(async (tx) => {
    const revoked = await tx
      .insert(revokedTokens)
      .values({ tokenId: id, expiresAt })
      .onConflictDoNothing()
      .returning({ tokenId: revokedTokens.tokenId })
    if (revoked.length === 0) return
    await announce(tx, [`token ${id}`, ...(statusIndex === undefined ? [] : [`status ${statusIndex}` as const])], now)
    await record(tx, { type: 'token.revoke', ...by, details: { token: id } })
  })
}

function revocationOf(db: Database) {
  return db
    .select({ one: sql`1` })
    .from(revokedTokens)
    .where(eq(revokedTokens.tokenId, sql.placeholder('id')))
}
