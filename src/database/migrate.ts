import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import { type Address, type Database, openDatabase } from './client.ts'

const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url))
/** Any constant, as long as nothing else in the database locks the same one. */
const LOCK = 6_749_001

/**
 * Brings the database up to this version's schema. Processes that start together take turns: on PostgreSQL
 * by the lock; on the embedded one, where all are one session and share a lock, by the transaction. It is
 * begun here and ended by the migrator, whose own BEGIN does nothing inside of it.
 */
export async function migrateDatabase(address: Address): Promise<void> {
  const { db, close } = openDatabase(address, { max: 1, patient: true })
  try {
    await db.execute(sql`begin`)
    await db.execute(sql`select pg_advisory_xact_lock(${LOCK}::bigint)`)
    await migrate(db as Parameters<typeof migrate>[0], { migrationsFolder })
  } finally {
    await close()
  }
}

/** Whether every migration of this version has been applied. */
export async function isMigrated(db: Database): Promise<boolean> {
  const newest = readMigrationFiles({ migrationsFolder }).at(-1)
  const rows = await db.execute<{ created_at: string }>(
    sql`select created_at from drizzle.__drizzle_migrations order by created_at desc limit 1`,
  )
  return Number(rows[0]?.created_at) >= (newest?.folderMillis ?? 0)
}
