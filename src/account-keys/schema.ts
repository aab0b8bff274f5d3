import { jsonb, pgTable, text, unique, uuid } from 'drizzle-orm/pg-core'
import { createdAt } from '../database/columns.ts'
import { accounts } from '../database/schema.ts'

/** Public keys by which service accounts sign assertions (RFC 7523). */
export const accountKeys = pgTable(
  'account_keys',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id, { onDelete: 'cascade' }),
    /** As the header of an assertion names it. */
    kid: text('kid').notNull(),
    publicJwk: jsonb('public_jwk').$type<Record<string, unknown>>().notNull(),
    createdAt: createdAt(),
  },
  (table) => [unique('account_keys_kid').on(table.accountId, table.kid)],
)
