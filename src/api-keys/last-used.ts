import { sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'

/** Remembers when and from where keys were used, and writes it down in batches, off the path of the request. */
export interface LastUsed {
  note(id: string, at: Date, from: string): void
  /** Writes what is remembered; at most one row a key. */
  flush(): Promise<void>
  /** Flushes for the last time. */
  close(): Promise<void>
}

/** @param intervalMs how often to flush by itself */
export function createLastUsed(db: Database, intervalMs: number, onError: (error: unknown) => void): LastUsed {
  let uses = new Map<string, { at: Date; from: string }>()

  const flush = async () => {
    const batch = uses
    uses = new Map()
    if (batch.size === 0) return
    const used = JSON.stringify([...batch].map(([id, { at, from }]) => ({ id, at, from })))
    await db.execute(sql`
      update api_keys set last_used_at = used.at, last_used_from = used."from"
      from json_to_recordset(${used}::json) as used (id uuid, at timestamptz, "from" text)
      where api_keys.id = used.id`)
  }
  const timer = setInterval(() => flush().catch(onError), intervalMs)
  timer.unref()

  return {
    note: (id, at, from) => void uses.set(id, { at, from }),
    flush,
    async close() {
      clearInterval(timer)
      await flush().catch(onError)
    },
  }
}
