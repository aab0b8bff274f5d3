import type { Database } from '../database/client.ts'
import type { LiveChanges } from '../database/live-changes.ts'
import { type Client, findClient } from './clients.ts'

const MOST = 1_000

/** Finds clients, remembering those it found until they change. */
export interface ClientCache {
  find(db: Database, id: string): Promise<Client | undefined>
}

export function createClientCache(changes: LiveChanges): ClientCache {
  const clients = new Map<string, Client>()
  changes.tell({
    forget: (tag) => void (tag.startsWith('client ') && clients.delete(tag.slice('client '.length))),
    forgetAll: () => clients.clear(),
  })

  return {
    async find(db, id) {
      const remembered = changes.isCurrent() ? clients.get(id) : undefined
      if (remembered !== undefined) return remembered
      const askedAt = new Date()
      const client = await findClient(db, id)
      if (client === undefined || !changes.isCurrent() || changes.changedSince([`client ${id}`], askedAt)) return client
      if (clients.size >= MOST) clients.clear()
      clients.set(id, client)
      return client
    },
  }
}
