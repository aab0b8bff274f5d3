import { index, pgTable, primaryKey, text, unique, uuid } from 'drizzle-orm/pg-core'
import { createdAt, moment } from '../database/columns.ts'
import { accounts } from '../database/schema.ts'

/** OpenID Connect providers at which people sign in to us; the client secret is a JWE under SECRET_KEYS. */
export const upstreams = pgTable('upstreams', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  issuer: text('issuer').notNull().unique(),
  clientId: text('client_id').notNull(),
  sealedClientSecret: text('sealed_client_secret').notNull(),
  createdAt: createdAt(),
})

/** Whose account an identity at an upstream is: issuer and subject together (OpenID Connect Core 5.7), never an e-mail. */
export const upstreamIdentities = pgTable(
  'upstream_identities',
  {
    issuer: text('issuer').notNull(),
    subject: text('subject').notNull(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id, { onDelete: 'cascade' }),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.issuer, table.subject] }),
    unique('upstream_identities_account').on(table.accountId, table.issuer),
  ],
)

/**
 * Sign-ins at an upstream that are under way, until each is used once. `digest` is of what the browser and the
 * upstream know, so that only both together find a row; `sealed` is a JWE under SECRET_KEYS.
 */
export const upstreamAttempts = pgTable(
  'upstream_attempts',
  {
    digest: text('digest').primaryKey(),
    upstreamId: text('upstream_id')
      .notNull()
      .references(() => upstreams.id, { onDelete: 'cascade' }),
    sealed: text('sealed').notNull(),
    expiresAt: moment('expires_at').notNull(),
  },
  (table) => [index('upstream_attempts_expires_at').on(table.expiresAt)],
)
