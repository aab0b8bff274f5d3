import { index, pgTable, text } from 'drizzle-orm/pg-core'
import { bytes, moment } from '../database/columns.ts'

/**
 * What callers named their requests that made something. `name` is a digest of the caller and the key; the answer, which
 * may hold a secret that is shown once, is sealed with the request it was given to.
 */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    name: bytes('name').primaryKey(),
    /** Null only while the transaction that makes the thing is under way. */
    sealedAnswer: text('sealed_answer'),
    expiresAt: moment('expires_at').notNull(),
  },
  (table) => [index('idempotency_keys_expires_at').on(table.expiresAt)],
)
