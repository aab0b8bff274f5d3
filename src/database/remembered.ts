import type { Database } from './client.ts'
import type { LiveChanges } from './live-changes.ts'

/** How many rows of a kind are remembered. */
const MOST = 10_000

/** Finds rows of one kind by identifier, remembering those it found until they change. */
export interface Remembered<Row> {
  find(db: Database, id: string): Promise<Row | undefined>
}

/**
 * @param kind as in the tag by which a change of such a row is announced
 * @param look how to find one in the database; what is not there is looked for each time
 */
export function createRemembered<Row>(
  changes: LiveChanges,
  kind: 'account' | 'client' | 'resource',
  look: (db: Database, id: string) => Promise<Row | undefined>,
): Remembered<Row> {
  const rows = new Map<string, Row>()
  const prefix = `${kind} ` as const
  changes.tell({
    forget: (tag) => void (tag.startsWith(prefix) && rows.delete(tag.slice(prefix.length))),
    forgetAll: () => rows.clear(),
  })

  return {
    async find(db, id) {
      const remembered = changes.isCurrent() ? rows.get(id) : undefined
      if (remembered !== undefined) return remembered
      const askedAt = new Date()
      const row = await look(db, id)
      if (row === undefined || !changes.isCurrent() || changes.changedSince([`${prefix}${id}`], askedAt)) return row
      if (rows.size >= MOST) rows.clear()
      rows.set(id, row)
      return row
    },
  }
}
