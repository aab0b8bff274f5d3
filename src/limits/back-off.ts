import { eq, sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { statement } from '../database/statement.ts'
import { TooManyAttempts } from '../errors.ts'
import { backOffs } from './schema.ts'
import { createTurns } from './turns.ts'

/** Failures after which one has to wait; a few typos cost nothing. */
const FREE = 5
const LONGEST_SECONDS = 15 * 60
/** Failures are forgotten a day after the first. */
const FORGET_MS = 24 * 60 * 60 * 1000

/** So many attempts for one key wait for one another. */
const MOST_WAITING = 20

/** Has who fails wait ever longer: a second after the fifth failure, then twice as long each time, a quarter of an hour at most. */
export interface BackOff {
  /**
   * Begins an attempt, when the one before has ended: of many that come at once no more get through than one after
   * another would, and none is refused for others that succeed. It counts as a failure until it is known to be none.
   * @returns what must be told how the attempt ended
   * @throws {TooManyAttempts} while the key has to wait
   */
  begin(key: string): Promise<Attempt>
}

export interface Attempt {
  failed(): void
  /** What failed before is forgotten. */
  succeeded(): Promise<void>
  /** It was not judged, so it does not count. */
  giveBack(): Promise<void>
}

const now = sql`${sql.placeholder('now')}::timestamptz`
const failures = sql`case when ${backOffs.expiresAt} <= ${now} then 1 else ${backOffs.failures} + 1 end`
const wait = sql`interval '1 second' * case when ${failures} < ${FREE}::int then 0
  else least(2 ^ least(${failures} - ${FREE}::int, 30), ${LONGEST_SECONDS}::int) end`

/** Counts a failure in advance, unless the key has to wait; one statement, so that processes count together. */
const begin = statement((db) =>
  db
    .insert(backOffs)
    .values({
      key: sql.placeholder('key'),
      failures: 1,
      pausedUntil: now,
      expiresAt: sql`${sql.placeholder('forgetAt')}`,
    })
    .onConflictDoUpdate({
      target: backOffs.key,
      set: {
        failures,
        pausedUntil: sql`${now} + ${wait}`,
        expiresAt: sql`case when ${backOffs.expiresAt} <= ${now} then excluded.expires_at else ${backOffs.expiresAt} end`,
      },
      setWhere: sql`${backOffs.pausedUntil} <= ${now}`,
    })
    .returning({ failures: backOffs.failures })
    .prepare('begin_attempt'),
)

const forget = statement((db) =>
  db
    .delete(backOffs)
    .where(eq(backOffs.key, sql.placeholder('key')))
    .prepare('forget_failures'),
)

/**
 * @param nameOf a keyed digest: keys hold what people type as their e-mail, which may be anything
 * @param name tells its keys from those of others
 */
export function createBackOff(db: Database, nameOf: (key: string) => string, name: string): BackOff {
  const turns = createTurns(MOST_WAITING)

  const count = async (key: string): Promise<number> => {
    const at = new Date()
    const forgetAt = new Date(at.getTime() + FORGET_MS).toISOString()
    const [begun] = await begin(db).execute({ key, now: at.toISOString(), forgetAt })
    if (begun !== undefined) return begun.failures
    const [held] = await db.select().from(backOffs).where(eq(backOffs.key, key))
    const waitMs = (held?.pausedUntil.getTime() ?? 0) - at.getTime()
    throw new TooManyAttempts(Math.max(1, Math.ceil(waitMs / 1000)))
  }
  /** What it had the next wait for is over too, unless another has failed since. */
  const uncount = async (key: string, counted: number) => {
    const at = new Date().toISOString()
    await db
      .update(backOffs)
      .set({
        failures: sql`greatest(${backOffs.failures} - 1, 0)`,
        pausedUntil: sql`case when ${backOffs.failures} = ${counted} then ${at}::timestamptz else ${backOffs.pausedUntil} end`,
      })
      .where(eq(backOffs.key, key))
  }

  return {
    async begin(of) {
      const key = `${name}:${nameOf(of)}`
      const end = await turns.take(key)
      const counted = await count(key).catch((error: unknown) => {
        end()
        throw error
      })
      return {
        failed: end,
        async succeeded() {
          await forget(db).execute({ key }).finally(end)
        },
        async giveBack() {
          await uncount(key, counted).finally(end)
        },
      }
    },
  }
}
