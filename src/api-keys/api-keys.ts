import { randomUUID } from 'node:crypto'
import { and, desc, eq, gt, isNull, or, sql } from 'drizzle-orm'
import { ACCOUNT_COLUMNS, type Account } from '../accounts/accounts.ts'
import { type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { accounts, apiKeys } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { Conflict, InsufficientScope, NotFound } from '../errors.ts'
import { makeApiKey, shownPrefix } from '../secrets/api-key.ts'
import { digest } from '../secrets/opaque-token.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** What its owner sees of a key; never the key. */
export interface ApiKey {
  readonly id: string
  readonly name: string
  readonly prefix: string
  readonly scope: string[]
  readonly createdAt: Date
  readonly expiresAt: Date
  /** Lies ahead while a key that was replaced lives on. */
  readonly revokedAt: Date | null
  readonly lastUsedAt: Date | null
  readonly lastUsedFrom: string | null
  /** Requests it was admitted to, those of the last seconds perhaps left out. */
  readonly useCount: number
}

/** A key as it is issued: `secret` is the whole key and is not to be had again. */
export type IssuedApiKey = ApiKey & { readonly secret: string }

/** What is told of a key; never its digest. */
export const API_KEY_COLUMNS = {
  id: apiKeys.id,
  name: apiKeys.name,
  prefix: apiKeys.prefix,
  scope: apiKeys.scope,
  createdAt: apiKeys.createdAt,
  expiresAt: apiKeys.expiresAt,
  revokedAt: apiKeys.revokedAt,
  lastUsedAt: apiKeys.lastUsedAt,
  lastUsedFrom: apiKeys.lastUsedFrom,
  useCount: apiKeys.useCount,
}

/** How many live keys an account may have. */
export const MAX_API_KEYS = 1000

/**
 * Issues a key that can do what `scope` says until it expires.
 * @throws {Conflict} when the account has as many live keys as it may
 */
export async function issueApiKey(
  db: Database,
  input: { accountId: string; name: string; scope: readonly string[]; expiresAt: Date; prefix: string },
  now: Date,
  origin: Origin = {},
): Promise<IssuedApiKey> {
  const secret = makeApiKey(input.prefix)
  return db.transaction(async (tx) => {
    await requireRoom(tx, input.accountId, now)
    const [row] = await tx
      .insert(apiKeys)
      .values({
        id: randomUUID(),
        accountId: input.accountId,
        name: input.name,
        digest: digest(secret),
        prefix: shownPrefix(input.prefix, secret),
        scope: [...input.scope],
        expiresAt: input.expiresAt,
        createdAt: now,
      })
      .returning(API_KEY_COLUMNS)
    if (row === undefined) throw new Error('the key was not stored')
    await record(tx, {
      type: 'api_key.issue',
      ...origin,
      subject: { kind: 'account', id: input.accountId },
      details: { key: row.id, scope: row.scope },
    })
    return { ...row, secret }
  })
}

/** One at a time for an account, so that no two take the last place. */
async function requireRoom(tx: Database, accountId: string, now: Date): Promise<void> {
  await tx.select({ id: accounts.id }).from(accounts).where(eq(accounts.id, accountId)).for('no key update')
  const live = await tx.$count(
    apiKeys,
    and(eq(apiKeys.accountId, accountId), gt(apiKeys.expiresAt, now), isNotRevoked(now)),
  )
  if (live < MAX_API_KEYS) return
  throw new Conflict('too_many_api_keys', `An account has at most ${MAX_API_KEYS} live keys. Revoke one first.`)
}

/** When a key made now for this many days expires. */
export const apiKeyExpiry = (now: Date, days: number) => new Date(now.getTime() + days * DAY_MS)

const byDigest = statement((db) =>
  db
    .select({
      id: apiKeys.id,
      scope: apiKeys.scope,
      expiresAt: sql`least(${apiKeys.expiresAt}, ${apiKeys.revokedAt})`.mapWith(apiKeys.expiresAt),
      account: ACCOUNT_COLUMNS,
    })
    .from(apiKeys)
    .innerJoin(accounts, eq(accounts.id, apiKeys.accountId))
    .where(
      and(
        eq(apiKeys.digest, sql.param(sql.placeholder('digest'), apiKeys.digest)),
        or(isNull(apiKeys.revokedAt), gt(apiKeys.revokedAt, sql`${sql.placeholder('now')}::timestamptz`)),
        gt(apiKeys.expiresAt, sql`${sql.placeholder('now')}::timestamptz`),
        isNull(accounts.disabledAt),
      ),
    )
    .prepare('find_api_key'),
)

/** The live key with this value and the account that owns it; one look-up of its digest. */
export async function findApiKey(
  db: Database,
  secret: string,
  now: Date,
): Promise<{ id: string; scope: string[]; expiresAt: Date; account: Account } | undefined> {
  return (await byDigest(db).execute({ digest: digest(secret), now: now.toISOString() }))[0]
}

const isNotRevoked = (now: Date) => or(isNull(apiKeys.revokedAt), gt(apiKeys.revokedAt, now))

/** The keys of an account, newest first, the revoked ones left out. */
export function listApiKeys(db: Database, accountId: string, now: Date): Promise<ApiKey[]> {
  return db
    .select(API_KEY_COLUMNS)
    .from(apiKeys)
    .where(and(eq(apiKeys.accountId, accountId), isNotRevoked(now)))
    .orderBy(desc(apiKeys.createdAt))
    .limit(MAX_API_KEYS)
}

/**
 * Revokes a key of an account; it is refused from the next request on.
 * @throws {NotFound} when it is another's, unknown or revoked before
 */
export async function revokeApiKey(
  db: Database,
  accountId: string,
  id: string,
  now: Date,
  origin: Origin = {},
): Promise<void> {
  await db.transaction(async (tx) => {
    const [revoked] = await tx
      .update(apiKeys)
      .set({ revokedAt: now })
      .where(and(eq(apiKeys.id, id), eq(apiKeys.accountId, accountId), isNotRevoked(now)))
      .returning({ id: apiKeys.id })
    if (revoked === undefined) throw new NotFound('There is no such key.')
    await announce(tx, [`api_key ${id}`], now)
    const subject = { kind: 'account', id: accountId } as const
    await record(tx, { type: 'api_key.revoke', ...origin, subject, details: { key: id } })
  })
}

/**
 * Issues a successor with the same name, scope and lifetime; the old key lives on for `overlapSeconds`,
 * and has this one successor.
 * @param held the scopes of who asks: nobody obtains by rotation what they do not hold
 * @throws {NotFound} when it is another's, unknown, revoked, replaced or expired
 * @throws {InsufficientScope} when the key can do more than who asks
 */
export async function rotateApiKey(
  db: Database,
  input: { accountId: string; id: string; overlapSeconds: number; held: ReadonlySet<string>; prefix: string },
  now: Date,
  origin: Origin = {},
): Promise<IssuedApiKey> {
  return db.transaction(async (tx) => {
    const [old] = await tx
      .select(API_KEY_COLUMNS)
      .from(apiKeys)
      .where(
        and(
          eq(apiKeys.id, input.id),
          eq(apiKeys.accountId, input.accountId),
          isNull(apiKeys.revokedAt),
          gt(apiKeys.expiresAt, now),
        ),
      )
      .for('update')
    if (old === undefined) throw new NotFound('There is no such key.')
    const beyond = old.scope.find((scope) => !input.held.has(scope))
    if (beyond !== undefined) throw new InsufficientScope(beyond)

    const overlapEnd = new Date(Math.min(now.getTime() + input.overlapSeconds * 1000, old.expiresAt.getTime()))
    await tx.update(apiKeys).set({ revokedAt: overlapEnd }).where(eq(apiKeys.id, old.id))
    await announce(tx, [`api_key ${old.id}`], now)
    const lifetime = old.expiresAt.getTime() - old.createdAt.getTime()
    const subject = { kind: 'account', id: input.accountId } as const
    const details = { key: old.id, until: overlapEnd.toISOString() }
    await record(tx, { type: 'api_key.rotate', ...origin, subject, details })
    return issueApiKey(
      tx,
      { ...input, name: old.name, scope: old.scope, expiresAt: new Date(now.getTime() + lifetime) },
      now,
      origin,
    )
  })
}
