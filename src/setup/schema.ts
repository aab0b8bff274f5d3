import { pgTable, text } from 'drizzle-orm/pg-core'
import { moment } from '../database/columns.ts'

/** One-time links, by digest. */
export const oneTimeLinks = pgTable('one_time_links', {
  digest: text('digest').primaryKey(),
  purpose: text('purpose', { enum: ['first_administrator'] }).notNull(),
  expiresAt: moment('expires_at').notNull(),
  consumedAt: moment('consumed_at'),
})
