import { and, eq } from 'drizzle-orm'
import type { Origin } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { keyset, type Place } from '../database/keyset.ts'
import { apiKeys } from '../database/schema.ts'
import { NotFound } from '../errors.ts'
import { API_KEY_COLUMNS, type ApiKey, revokeApiKey } from './api-keys.ts'

/** A key as administrators see it: whose it is too, live or not. */
export interface ListedApiKey extends ApiKey {
  readonly accountId: string
}

const COLUMNS = { ...API_KEY_COLUMNS, accountId: apiKeys.accountId }
const inOrder = keyset(apiKeys.createdAt, apiKeys.id)

/**
 * A page of the API keys of all accounts, or of one, in the order they were made, also those that have expired or were
 * revoked.
 */
export function listAllApiKeys(
  db: Database,
  accountId: string | undefined,
  limit: number,
  after?: Place,
): Promise<ListedApiKey[]> {
  const isOfAccount = accountId === undefined ? undefined : eq(apiKeys.accountId, accountId)
  return db
    .select(COLUMNS)
    .from(apiKeys)
    .where(and(isOfAccount, inOrder.after(after)))
    .orderBy(...inOrder.order)
    .limit(limit)
}

/**
 * The key of an identifier, whosever it is.
 * @throws {NotFound}
 */
export async function readApiKey(db: Database, id: string): Promise<ListedApiKey> {
  const [found] = UUID.test(id) ? await db.select(COLUMNS).from(apiKeys).where(eq(apiKeys.id, id)) : []
  if (found === undefined) throw new NotFound('There is no such key.')
  return found
}

/**
 * Revokes a key of any account; it is refused from the next request on.
 * @param check looks at it as it is, held until it is revoked; what it throws is thrown
 * @throws {NotFound} when it is unknown or was revoked before
 */
export async function revokeAnyApiKey(
  db: Database,
  id: string,
  now: Date,
  origin: Origin = {},
  check: (before: ListedApiKey) => void = () => {},
): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.select({ id: apiKeys.id }).from(apiKeys).where(eq(apiKeys.id, id)).for('update')
    const before = await readApiKey(tx, id)
    check(before)
    await revokeApiKey(tx, before.accountId, id, now, origin)
  })
}
