import postgres from 'postgres'
import { CHANNEL } from './changes.ts'

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
  const client = postgres(url, { max: 1, connect_timeout: 2, backoff: () => 0.1, onnotice: () => {} })
  return {
    subscribe(hear, connected, onError) {
      client.listen(CHANNEL, hear, connected).catch(onError)
    },
    send: (message) => client.notify(CHANNEL, message).then(() => {}),
    close: () => client.end({ timeout: 1 }),
  }
}
