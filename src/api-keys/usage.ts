import { sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'

/** Keys that are remembered at most between two flushes. */
const MOST = 50_000

interface Use {
  at: Date
  from: string
  count: number
}

/** Counts the uses of keys and remembers the last, and writes both down in batches, off the path of the request. */
export interface Usage {
  note(id: string, at: Date, from: string): void
  /** Flushes for the last time. */
  close(): Promise<void>
}

/**
 * Writes at most one row a key and one statement an interval; only when very many keys are used in one, more.
 * A batch that fails is written with the next one, so that one whose answer was lost counts twice.
 * @param onError told of what fails, and of uses that nothing remembers
 */
export function createUsage(db: Database, intervalMs: number, onError: (error: unknown) => void): Usage {
  let uses = new Map<string, Use>()
  let forgotten = 0
  let flushing: Promise<void> | undefined

  const add = (id: string, at: Date, from: string, count: number) => {
    const known = uses.get(id)
    if (known === undefined) {
      if (uses.size < MOST) uses.set(id, { at, from, count })
      else forgotten += count
      return
    }
    known.count += count
    if (at < known.at) return
    known.at = at
    known.from = from
  }

  const write = async () => {
    const batch = uses
    uses = new Map()
    try {
      if (batch.size > 0) await addUses(db, batch)
    } catch (error) {
      for (const [id, { at, from, count }] of batch) add(id, at, from, count)
      onError(error)
    }
    if (forgotten > 0) onError(new Error(`${forgotten} uses of keys were not counted: too many keys at once`))
    forgotten = 0
  }
  const flush = () => {
    flushing ??= write().finally(() => {
      flushing = undefined
    })
    return flushing
  }
  const timer = setInterval(flush, intervalMs)
  timer.unref()

  return {
    note(id, at, from) {
      if (uses.size >= MOST) void flush()
      add(id, at, from, 1)
    },
    async close() {
      clearInterval(timer)
      await flushing
      await flush()
    },
  }
}

/**
 * Rows are locked in the order of their identifiers, so that two processes wait for each other in turn, and
 * a use that another process has seen later stays the last.
 */
async function addUses(db: Database, uses: ReadonlyMap<string, Use>): Promise<void> {
  const batch = JSON.stringify([...uses].map(([id, use]) => ({ id, ...use })))
  await db.execute(sql`
    with used as materialized (
      select * from json_to_recordset(${batch}::json) as used (id uuid, at timestamptz, "from" text, count bigint)
    ), locked as materialized (
      select id from api_keys where id in (select id from used) order by id for update
    )
    update api_keys set
      use_count = use_count + used.count,
      last_used_from = case when last_used_at > used.at then last_used_from else used."from" end,
      last_used_at = greatest(last_used_at, used.at)
    from used join locked using (id)
    where api_keys.id = used.id`)
}
