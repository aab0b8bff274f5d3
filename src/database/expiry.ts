import { sql } from 'drizzle-orm'
import type { Database } from './client.ts'

const BATCH = 1_000
/** The tables whose rows leave when `expires_at` has passed. */
const TABLES = [
  'provider_models',
  'revoked_tokens',
  'changes',
  'first_party_sessions',
  'first_party_refresh_tokens',
  'one_time_links',
]

/** Deletes what has expired, in small batches that skip what others have locked; returns how many rows went. */
export async function deleteExpired(db: Database, now: Date): Promise<number> {
  let total = 0
  for (const table of TABLES) {
    let deleted: number
    do {
      const rows = await db.execute(sql`
        delete from ${sql.identifier(table)} where ctid = any(array(
          select ctid from ${sql.identifier(table)} where expires_at < ${now.toISOString()}::timestamptz
          limit ${BATCH} for update skip locked))
        returning 1`)
      deleted = rows.length
      total += deleted
    } while (deleted === BATCH)
  }
  return total
}
