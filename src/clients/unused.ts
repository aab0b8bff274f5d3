import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { record } from '../audit/audit.ts'
import { announce, type Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { providerModels } from '../database/schema.ts'

/** Any constant, as long as nothing else in the database locks the same one. */
const LOCK = 6_749_004
const BATCH = 100
const HOUR_MS = 60 * 60 * 1000
const DAY_MS = 24 * 60 * 60 * 1000
/** A day more than a grant lasts: who was allowed something that long ago holds nothing any more. */
const GRANT_DAYS = 31

/**
 * Deletes the clients that registered themselves and that nobody uses, the oldest first, each batch in one transaction;
 * where another process is deleting, it is left to that one.
 * @param days since a person last allowed it something, or since it registered
 * @param closing ends it after the batch under way
 * @returns how many went
 */
export async function deleteUnusedClients(
  db: Database,
  days: number,
  now: Date,
  closing?: AbortSignal,
): Promise<number> {
  let deleted = 0
  let batch = BATCH
  while (batch === BATCH && !closing?.aborted) {
    batch = await db.transaction((tx) => deleteBatch(tx, days, now))
    deleted += batch
  }
  return deleted
}

async function deleteBatch(tx: Database, days: number, now: Date): Promise<number> {
  const before = (passed: number) => momentBefore(now, passed * DAY_MS)
  return deleteWhere(
    tx,
    sql`(select pg_try_advisory_xact_lock(${LOCK}::bigint))
      and coalesce(used_at, created_at) < ${before(days)}
      and (used_at is null or used_at < ${before(Math.max(days, GRANT_DAYS))})`,
    BATCH,
    now,
  )
}

/**
 * Makes room for another client, in a transaction: the oldest goes that nobody has ever allowed anything, so that who
 * fills the room with such keeps nobody out for long. One of the last hour stays, for a person may be about to.
 * @returns whether there is room now
 */
export async function evictNeverUsed(tx: Database, now: Date): Promise<boolean> {
  const never = sql`used_at is null and created_at < ${momentBefore(now, HOUR_MS)}`
  return (await deleteWhere(tx, never, 1, now)) > 0
}

const momentBefore = (now: Date, ms: number) => sql`${new Date(now.getTime() - ms).toISOString()}::timestamptz`

async function deleteWhere(tx: Database, which: SQL, most: number, now: Date): Promise<number> {
  const gone = await tx.execute<{ id: string }>(sql`
    delete from clients where id = any(array(
      select id from clients where dynamic and ${which}
      order by coalesce(used_at, created_at) limit ${most} for update skip locked))
    returning id`)
  const ids = [...gone].map(({ id }) => id)
  if (ids.length === 0) return 0
  const { model, clientId } = providerModels
  await tx.delete(providerModels).where(and(eq(model, 'RegistrationAccessToken'), inArray(clientId, ids)))
  await announce(
    tx,
    ids.map((id): Tag => `client ${id}`),
    now,
  )
  for (const id of ids) await record(tx, { type: 'client.delete', clientId: id, details: { by: 'disuse' } })
  return ids.length
}
