import { index, integer, pgTable, text } from 'drizzle-orm/pg-core'
import { moment } from '../database/columns.ts'

/**
 * What is counted against a limit, by keyed digest of whom it is counted for. The members are named as
 * rate-limiter-flexible takes them; `expire` is when the counting starts over.
 */
export const attempts = pgTable(
  'attempts',
  {
    key: text('key').primaryKey(),
    points: integer('points').notNull(),
    expire: moment('expires_at').notNull(),
  },
  (table) => [index('attempts_expires_at').on(table.expire)],
)

/**
 * Who failed how often of late, by keyed digest, and until when the next try has to wait. `expires_at` is when the
 * failures are forgotten.
 */
export const backOffs = pgTable(
  'back_offs',
  {
    key: text('key').primaryKey(),
    failures: integer('failures').notNull(),
    pausedUntil: moment('paused_until').notNull(),
    expiresAt: moment('expires_at').notNull(),
  },
  (table) => [index('back_offs_expires_at').on(table.expiresAt)],
)
