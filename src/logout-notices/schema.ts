import { index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { moment } from '../database/columns.ts'
import { accounts, clients } from '../database/schema.ts'

/**
 * The outbox of sign-outs that clients are to be told of (OpenID Connect Back-Channel Logout 1.0): written in the
 * transaction of the sign-out, gone once a client has taken the notice. `id` is the `jti` of each token sent for it.
 */
export const logoutNotices = pgTable(
  'logout_notices',
  {
    id: uuid('id').primaryKey().defaultRandom(),
    clientId: text('client_id')
      .notNull()
      .references(() => clients.id, { onDelete: 'cascade' }),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id, { onDelete: 'cascade' }),
    sid: text('sid'),
    attempts: integer('attempts').notNull().default(0),
    nextAttemptAt: moment('next_attempt_at').notNull(),
    giveUpAt: moment('give_up_at').notNull(),
  },
  (table) => [index('logout_notices_next_attempt_at').on(table.nextAttemptAt)],
)
