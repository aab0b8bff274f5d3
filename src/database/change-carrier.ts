import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { CHANNEL } from './changes.ts'
import { openDatabase } from './client.ts'

/** Carries messages between processes; each hears its own too. May lose any while it is cut off. */
export interface ChangeCarrier {
  /**
   * @param hear told of each message
   * @param connected told on each connection, the first one and every one after a cut
   */
  subscribe(hear: (message: string) => void, connected: () => void, onError: (error: unknown) => void): void
  send(message: string): Promise<void>
  close(): Promise<void>
}

/** LISTEN and NOTIFY, over two connections of their own. */
export function carryByPostgres(url: string): ChangeCarrier {
  const listening = postgres(url, { max: 1, connect_timeout: 2, backoff: () => 0.1, onnotice: () => {} })
  const notifying = openDatabase({ url }, { max: 1 })
  return {
    subscribe(hear, connected, onError) {
      listening.listen(CHANNEL, hear, connected).catch(onError)
    },
    async send(message) {
      await notifying.db.execute(sql`select pg_notify(${CHANNEL}, ${message})`)
    },
    async close() {
      await Promise.all([listening.end({ timeout: 1 }), notifying.close()])
    },
  }
}
