import { sql } from 'drizzle-orm'
import { bigint, boolean, customType, index, pgTable, text } from 'drizzle-orm/pg-core'
import { bytes, moment } from '../database/columns.ts'

const snapshot = customType<{ data: string }>({ dataType: () => 'pg_snapshot' })

/**
 * Places in status lists. One is for all access tokens that depend on the same things, for a day; `seen` is what the
 * database knew when it was given: a change that is not in it has ended the slot.
 */
export const statusSlots = pgTable(
  'status_slots',
  {
    /** The list and the place in it; given by the database, so that it tells nothing of when. */
    index: bigint('index', { mode: 'number' }).primaryKey().default(sql`next_status_index()`),
    /** The digest of what it depends on. */
    key: bytes('key').notNull(),
    tags: text('tags').array().notNull(),
    seen: snapshot('seen').notNull().default(sql`pg_current_snapshot()`),
    expiresAt: moment('expires_at').notNull(),
  },
  (table) => [
    index('status_slots_key').on(table.key),
    index('status_slots_tags').using('gin', table.tags).with({ fastupdate: false }),
    index('status_slots_expires_at').on(table.expiresAt),
  ],
)

/** What `next_status_index()` keeps the order of slots secret by: one row, which the migration makes. */
export const statusOrder = pgTable('status_order', {
  one: boolean('one').primaryKey().default(true),
  seed: bigint('seed', { mode: 'bigint' }).notNull(),
})
