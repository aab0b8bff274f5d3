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
/** When so many rows of a table went, their room is given back, also where autovacuum is off. */
const LARGE = 10_000

/** The tables whose rows leave when `expires_at` has passed; refresh tokens before the sessions that would take them along. */
const TABLES = [
  'provider_models',
  'revoked_tokens',
  'changes',
  'status_slots',
  'first_party_refresh_tokens',
  'first_party_sessions',
  'ping_notices',
  'one_time_links',
  'upstream_attempts',
  'attempts',
  'back_offs',
  'idempotency_keys',
]

/** Deletes what has expired, again and again. */
export interface Expiry {
  /** Ends after the batch under way; nothing is deleted from then on. */
  close(): Promise<void>
}

/**
 * @param also what else to delete each time, that has no moment at which it expires
 */
export function createExpiry(
  { db, address }: { db: Database; address: Address },
  onError: (error: unknown) => void,
  intervalMs: number = INTERVAL_MS,
  also: (now: Date, closing: AbortSignal) => Promise<unknown> = async () => {},
): Expiry {
  const closing = new AbortController()
  const deletedSince = new Map<string, number>()
  let running: Promise<unknown> | undefined
  const run = async () => {
    for (const [table, deleted] of await deleteExpired(db, new Date(), closing.signal)) {
      const since = deleted + (deletedSince.get(table) ?? 0)
      const isLarge = since >= LARGE && !closing.signal.aborted
      deletedSince.set(table, isLarge ? 0 : since)
      if (isLarge) await compact(table)
    }
    await also(new Date(), closing.signal)
  }
  /** Over a connection of its own, because it takes longer than a request may; the end does not wait for it either. */
  const compact = async (table: string) => {
    const patient = openDatabase(address, { max: 1, patient: true })
    const end = () => void patient.close()
    closing.signal.addEventListener('abort', end, { once: true })
    try {
      await compactTable(patient.db, table, closing.signal)
    } catch (error) {
      if (!closing.signal.aborted) throw error
    } finally {
      closing.signal.removeEventListener('abort', end)
      await patient.close()
    }
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
    let batch: Batch = { count: BATCH, last: '-infinity' }
    while (batch.count === BATCH && !closing?.aborted) {
      batch = await deleteBatch(db, table, now, batch.last)
      deleted.set(table, (deleted.get(table) ?? 0) + batch.count)
      if (batch.count === BATCH) await delay(PAUSE_MS, undefined, { signal: closing, ref: false }).catch(() => {})
    }
  }
  return deleted
}

interface Batch {
  readonly count: number
  /** When the last of them expired, as PostgreSQL writes it. */
  readonly last: string
}

/**
 * One statement, which has the lock to itself until it has committed; it deletes nothing where it does not get it.
 * @param from where the batch before ended, so that this one does not walk over the dead entries of the index
 */
async function deleteBatch(db: Database, table: string, now: Date, from: string): Promise<Batch> {
  const [batch] = await db.execute<{ count: number; last: string | null }>(sql`
    with gone as (
      delete from ${sql.identifier(table)} where ctid = any(array(
        select ctid from ${sql.identifier(table)}
        where (select pg_try_advisory_xact_lock(${LOCK}::bigint))
          and expires_at >= ${from}::timestamptz and expires_at < ${now.toISOString()}::timestamptz
        order by expires_at limit ${BATCH} for update skip locked))
      returning expires_at)
    select count(*)::int as count, max(expires_at)::text as last from gone`)
  return { count: batch?.count ?? 0, last: batch?.last ?? from }
}
