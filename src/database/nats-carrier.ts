import { connect } from '@nats-io/transport-node'
import type { ChangeCarrier } from './change-carrier.ts'
import { CHANNEL, committedChanges, onAnnounce, type Tag } from './changes.ts'
import type { Database } from './client.ts'

const LOOK_MS = 5
/** How long a change may take from its announcement to its commit. */
const PATIENCE_MS = 30_000

/**
 * NATS, for a database behind a pooler that has no LISTEN. A message must not run ahead of its commit,
 * so after announcing a change this process reads the table until it is there, and sends it then.
 */
export async function carryByNats(
  url: string,
  db: Database,
  onError: (error: unknown) => void,
): Promise<ChangeCarrier> {
  const connection = await connect({
    servers: url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    pingInterval: 1000,
  })
  const awaited = new Map<Tag, Date>()
  let looking = false

  const look = async () => {
    while (awaited.size > 0 && !connection.isClosed()) {
      const tags = await committedChanges(db, awaited)
      if (tags.length > 0) connection.publish(CHANNEL, tags.join('\n'))
      for (const tag of tags) awaited.delete(tag)
      for (const [tag, since] of awaited) if (since.getTime() + PATIENCE_MS < Date.now()) awaited.delete(tag)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }
  const stop = onAnnounce((tags, at) => {
    for (const tag of tags) awaited.set(tag, at)
    if (looking) return
    looking = true
    look()
      .catch(onError)
      .finally(() => {
        looking = false
      })
  })

  return {
    subscribe(hear, connected) {
      connection.subscribe(CHANNEL, { callback: (_error, message) => hear(message.string()) })
      connected()
      void (async () => {
        for await (const { type } of connection.status()) if (type === 'reconnect') connected()
      })().catch(onError)
    },
    async send(message) {
      connection.publish(CHANNEL, message)
    },
    async close() {
      stop()
      await connection.close()
    },
  }
}
