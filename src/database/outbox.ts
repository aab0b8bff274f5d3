import { type InferSelectModel, sql } from 'drizzle-orm'
import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core'
import { type AuditEvent, record } from '../audit/audit.ts'
import type { Database } from './client.ts'

/** After so long whoever sends a notice is taken for gone, and another sends it; longer than any sending takes. */
const LEASE_MS = 10_000
const LONGEST_PAUSE_MS = 60 * 60 * 1000
/** So many are sent at a time. */
const BATCH = 20

/** What every notice to a client has. */
export interface Notice {
  readonly id: string
  readonly clientId: string
  readonly attempts: number
  readonly giveUpAt: Date
}
type Table = PgTable & Record<'id' | 'attempts' | 'nextAttemptAt' | 'giveUpAt' | 'clientId', AnyPgColumn>

/** How a notice ended, and why when it was given up. */
type Ending = { readonly outcome: 'success' } | { readonly outcome: 'failure'; readonly reason: string }

/** Notices that clients are to be told, each until its client has taken it. */
export interface Outbox<N extends Notice> {
  /**
   * Takes notices that are due, for a while: one statement, so that of many processes one has each. One that is not
   * settled by then, since its process was killed, is due again.
   */
  take(db: Database, now: Date): Promise<N[]>
  /** A client has taken a notice. */
  settle(db: Database, notice: N): Promise<void>
  /** A client has not taken a notice: it is sent again, later each time, until its end. */
  postpone(db: Database, notice: N, reason: string, now: Date): Promise<void>
  /** Puts back a notice that could not be sent to its end here. */
  giveBack(db: Database, notice: N, now: Date): Promise<void>
}

/** @param eventOf what the audit is told when a notice ends */
export function createOutbox<T extends Table>(
  table: T,
  eventOf: (notice: InferSelectModel<T> & Notice) => AuditEvent,
): Outbox<InferSelectModel<T> & Notice> {
  type N = InferSelectModel<T> & Notice
  const { id, attempts } = table
  const is = (notice: N) => sql`${id} = ${notice.id}`
  const set = (db: Database, notice: N, at: Date) =>
    db
      .update(table)
      .set({ nextAttemptAt: at } as never)
      .where(is(notice))

  const remove = async (db: Database, notice: N, ending: Ending) => {
    await db.transaction(async (tx) => {
      const removed = await tx.delete(table).where(is(notice)).returning({ id })
      if (removed.length === 0) return
      const { details, ...event } = eventOf(notice)
      const { outcome, ...why } = ending
      await record(tx, { ...event, outcome, details: { ...details, attempts: notice.attempts, ...why } })
    })
  }

  return {
    async take(db, now) {
      const taken = await db
        .update(table)
        .set({ attempts: sql`${attempts} + 1`, nextAttemptAt: new Date(now.getTime() + LEASE_MS) } as never)
        .where(
          sql`${id} = any(array(select id from ${table} where next_attempt_at <= ${now.toISOString()}::timestamptz
            order by attempts, next_attempt_at limit ${BATCH} for update skip locked))`,
        )
        .returning()
      return taken as N[]
    },

    settle: (db, notice) => remove(db, notice, { outcome: 'success' }),

    async postpone(db, notice, reason, now) {
      const at = new Date(now.getTime() + pauseAfter(notice.attempts))
      if (at >= notice.giveUpAt) return remove(db, notice, { outcome: 'failure', reason })
      await set(db, notice, at)
    },

    async giveBack(db, notice, now) {
      await set(db, notice, now)
    },
  }
}

/** Milliseconds to wait after so many attempts: a second, then twice as long each time, an hour at most. */
export function pauseAfter(attempts: number): number {
  return Math.min(1000 * 2 ** (attempts - 1), LONGEST_PAUSE_MS)
}
