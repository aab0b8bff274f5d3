import { index, integer, pgTable, text } from 'drizzle-orm/pg-core'
import { moment } from '../database/columns.ts'
import { clients } from '../database/schema.ts'

/**
 * The outbox of answers that clients are to be told of (OpenID Connect CIBA Core 1.0 10.2): written with the request, due
 * once a person has answered it. `id` is that of the request; what a client is told with, and of, is a JWE under SECRET_KEYS.
 */
export const pingNotices = pgTable(
  'ping_notices',
  {
    id: text('id').primaryKey(),
    clientId: text('client_id')
      .notNull()
      .references(() => clients.id, { onDelete: 'cascade' }),
    accountId: text('account_id').notNull(),
    sealed: text('sealed').notNull(),
    attempts: integer('attempts').notNull().default(0),
    /** When it is due; never while nobody has answered. */
    nextAttemptAt: moment('next_attempt_at'),
    /** When the request is over, of which nobody needs to be told then. */
    giveUpAt: moment('expires_at').notNull(),
  },
  (table) => [
    index('ping_notices_next_attempt_at').on(table.nextAttemptAt),
    index('ping_notices_expires_at').on(table.giveUpAt),
  ],
)
