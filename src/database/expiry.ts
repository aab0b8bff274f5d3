import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { type Address, type Database, openDatabase } from './client.ts'
import { compactTable } from './compaction.ts'

/** Any constant, as long as nothing else in the database locks the same one. */
const LOCK = 6_749_003
const INTERVAL_MS = 60_000
/** A batch takes some 10 ms; with the pause those who issue tokens meanwhile have the database most of the time. */
const BATCH = 500
const PAUSE_MS = 30
/** After a purge of so many rows their room is given back, also where autovacuum is off. */
const LARGE = 10_000

/** The tables whose rows leave when `expires_at` has passed; refresh tokens before the sessions that would take them along. */
const TABLES = [
  'provider_models',
  'revoked_tokens',
  'changes',
  'first_party_refresh_tokens',
  'first_party_sessions',
  'one_time_links',
]

/** Deletes what has expired, again and again. */
export interface Expiry {
  /** Ends after the batch under way; nothing is deleted from then on. */
  close(): Promise<void>
}

export function createExpiry(
  { db, address }: { db: Database; address: Address },
  onError: (error: unknown) => void,
  intervalMs: number = INTERVAL_MS,
): Expiry {
  const closing = new AbortController()
  let running: Promise<unknown> | undefined
  const run = async () => {
    for (const [table, deleted] of await deleteExpired(db, new Date(), closing.signal)) {
      if (deleted >= LARGE && !closing.signal.aborted) await compact(table, deleted)
    }
  }
  /** Over a connection of its own, because it takes longer than a request may. */
  const compact = async (table: string, deleted: number) => {
    const patient = openDatabase(address, { max: 1, patient: true })
    await compactTable(patient.db, table, deleted, closing.signal).finally(() => patient.close())
  }
  const timer = setInterval(() => {
    running ??= run()
      .catch(onError)
      .finally(() => {
        running = undefined
      })
  }, intervalMs).unref()

  return {
    async close() {
      clearInterval(timer)
      closing.abort()
      await running
    },
  }
}

/**
 * Deletes what has expired, oldest first, in small batches that skip what others have locked, with a pause
 * after each full one. Where another process is deleting, it is left to that one.
 * @param closing ends it after the batch under way
 * @returns how many rows went, by table
 */
export async function deleteExpired(db: Database, now: Date, closing?: AbortSignal): Promise<Map<string, number>> {
  const deleted = new Map<string, number>()
  for (const table of TABLES) {
    let batch = BATCH
    while (batch === BATCH && !closing?.aborted) {
      batch = await deleteBatch(db, table, now)
      deleted.set(table, (deleted.get(table) ?? 0) + batch)
      if (batch === BATCH) await delay(PAUSE_MS, undefined, { signal: closing, ref: false }).catch(() => {})
    }
  }
  return deleted
}

/** One statement, which has the lock to itself until it has committed; it deletes nothing where it does not get it. */
async function deleteBatch(db: Database, table: string, now: Date): Promise<number> {
  const rows = await db.execute(sql`
    delete from ${sql.identifier(table)} where ctid = any(array(
      select ctid from ${sql.identifier(table)}
      where (select pg_try_advisory_xact_lock(${LOCK}::bigint)) and expires_at < ${now.toISOString()}::timestamptz
      order by expires_at limit ${BATCH} for update skip locked))
    returning 1`)
  return rows.length
}
