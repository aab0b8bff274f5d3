import { and, eq, gt, inArray, isNull, notExists, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { ACCOUNT_COLUMNS, type Account, type Role } from '../accounts/accounts.ts'
import { type AuditEvent, type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { accounts, clients, providerModels, revokedTokens } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { digest } from '../secrets/opaque-token.ts'

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
  /** Sender-constrained: presented as a plain Bearer token it is refused (RFC 9449 7.2). */
  readonly bound: boolean
}

const grants = alias(providerModels, 'grants')
/** In so many words, not as a parameter: only then may a prepared statement use the index of grants. */
const isGrant = (model: typeof providerModels.model | typeof grants.model) => sql`${model} = 'Grant'`

const opaqueByDigest = statement((db) =>
  db
    .select({
      payload: providerModels.payload,
      expiresAt: providerModels.expiresAt,
      account: ACCOUNT_COLUMNS,
      grantId: grants.grantId,
    })
    .from(providerModels)
    .innerJoin(clients, eq(clients.id, providerModels.clientId))
    .leftJoin(accounts, and(eq(accounts.id, sql`${providerModels.accountId}::uuid`), isNull(accounts.disabledAt)))
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
  const payload = row.payload as Record<string, string | undefined>
  const clientId = payload.clientId ?? ''
  const account = row.grantId === null ? undefined : (row.account ?? undefined)
  const role = payload.accountId === undefined ? 'service' : account?.role
  if (role === undefined) return undefined
  return {
    id,
    subject: payload.accountId ?? clientId,
    clientId,
    scope: payload.scope ?? '',
    audience: payload.aud,
    grantId: payload.grantId,
    expiresAt: row.expiresAt ?? now,
    bound: payload.jkt !== undefined || payload['x5t#S256'] !== undefined,
    role,
    account,
  }
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
    .select({ id: clients.id })
    .from(clients)
    .where(and(eq(clients.id, sql.placeholder('clientId')), notExists(revocationOf(db))))
    .prepare('find_access_token_client'),
)

/**
 * Whose token it is, while its grant, client and account live and it was not revoked by itself.
 * A client is its own subject only when `sub` is its `client_id`; account identifiers never look like one.
 */
export async function findTokenOwner(
  db: Database,
  { id, subject, clientId, grantId }: Pick<TokenClaims, 'id' | 'subject' | 'clientId' | 'grantId'>,
  now: Date,
): Promise<{ kind: 'account' | 'client'; role: Role } | undefined> {
  if (subject === clientId) {
    const [client] = await clientItself(db).execute({ clientId, id })
    return client && { kind: 'client', role: 'service' }
  }
  if (grantId === undefined || !UUID.test(subject)) return undefined
  const [account] = await accountWithGrant(db).execute({ subject, clientId, grantId, id, now: now.toISOString() })
  return account && { kind: 'account', role: account.role }
}

/** Marks an access token as revoked until it would have expired anyway. */
export async function revokeAccessToken(
  db: Database,
  id: string,
  expiresAt: Date,
  now: Date,
  by: Origin & Pick<AuditEvent, 'subject'> = {},
): Promise<void> {
  await db.transaction(async (tx) => {
    const revoked = await tx
      .insert(revokedTokens)
      .values({ tokenId: id, expiresAt })
      .onConflictDoNothing()
      .returning({ tokenId: revokedTokens.tokenId })
    if (revoked.length === 0) return
    await announce(tx, [`token ${id}`], now)
    await record(tx, { type: 'token.revoke', ...by, details: { token: id } })
  })
}

function revocationOf(db: Database) {
  return db
    .select({ one: sql`1` })
    .from(revokedTokens)
    .where(eq(revokedTokens.tokenId, sql.placeholder('id')))
}
