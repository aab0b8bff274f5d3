import { eq } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { apiKeys } from '../database/schema.ts'

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
    for (const [id, { at, from }] of batch) {
      await db.update(apiKeys).set({ lastUsedAt: at, lastUsedFrom: from }).where(eq(apiKeys.id, id))
    }
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
