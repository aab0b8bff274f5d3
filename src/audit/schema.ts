import { date, integer, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'

/**
 * The signed heads of the chain, one for each run of events that was linked at once. Nothing is linked to the same
 * hash twice: the primary key is what keeps two processes from making the chain fork.
 */
export const auditCheckpoints = pgTable(
  'audit_checkpoints',
  {
    before: text('before').primaryKey(),
    day: date('day', { mode: 'string' }).notNull(),
    first: integer('first').notNull(),
    jws: text('jws').notNull(),
  },
  (table) => [uniqueIndex('audit_checkpoints_place').on(table.day, table.first)],
)
