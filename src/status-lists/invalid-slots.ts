import { sql } from 'drizzle-orm'
import type { Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import type { LiveChanges } from '../database/live-changes.ts'
import { placeOf } from './place.ts'

/**
 * For how long a change is asked about again, in milliseconds: a slot that was made meanwhile, by a transaction that has
 * not seen the change, may be committed later. Longer than any statement may take.
 */
const SETTLING_MS = 10_000

/** More changes than this are not asked about one by one. */
const MOST_HEARD = 2_000

/** What ends no slot. */
const OTHER_TAGS = /^(keys|resource) /

/** The places of one list that are invalid, each with the moment from which nothing is left that names it. */
export type InvalidPlaces = ReadonlyMap<number, number>

/** The slots that have ended while tokens may name them: those that ended in the last 25 hours. */
export interface InvalidSlots {
  /** Of each list those that are known now, as of the last second. Asks the database only when something changed. */
  current(): Promise<ReadonlyMap<number, InvalidPlaces>>
  /** Counts up whenever a list gets another invalid place. */
  version(list: number): number
}

/** Follows changes; while it cannot hear of them, it asks the database each time. */
export function createInvalidSlots(db: Database, changes: LiveChanges): InvalidSlots {
  const lists = new Map<number, Map<number, number>>()
  const versions = new Map<number, number>()
  const heard = new Map<Tag, number>()
  let allUntil = Date.now() + SETTLING_MS
  let isRead = false
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined

  const readAll = () => {
    allUntil = Date.now() + SETTLING_MS
    heard.clear()
    isRead = false
  }
  changes.tell({
    forget(tag) {
      if (OTHER_TAGS.test(tag)) return
      heard.set(tag, Date.now())
      if (heard.size > MOST_HEARD) readAll()
    },
    forgetAll: readAll,
  })

  const add = (index: number, until: number) => {
    const { list, idx } = placeOf(index)
    const places = lists.get(list) ?? new Map<number, number>()
    if (!places.has(idx)) versions.set(list, (versions.get(list) ?? 0) + 1)
    lists.set(list, places.set(idx, until))
  }

  const read = async () => {
    const startedAt = Date.now()
    const isAll = !isRead || startedAt < allUntil || !changes.isCurrent()
    isRead = true
    try {
      for (const { index, until } of await findInvalid(db, isAll ? undefined : [...heard.keys()])) {
        add(Number(index), Number(until) * 1000)
      }
    } catch (error) {
      readAll()
      throw error
    }
    for (const [tag, at] of heard) if (at + SETTLING_MS < startedAt) heard.delete(tag)
    for (const places of lists.values()) for (const [idx, until] of places) if (until < startedAt) places.delete(idx)
  }

  /** One after another; who comes while one is under way gets what is read after it came. */
  const refresh = (): Promise<void> => {
    if (running === undefined) {
      running = read().finally(() => {
        running = undefined
      })
      return running
    }
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined
        return refresh()
      })
    return next
  }

  return {
    async current() {
      if (heard.size > 0 || !isRead || Date.now() < allUntil || !changes.isCurrent()) await refresh()
      return lists
    },
    version: (list) => versions.get(list) ?? 0,
  }
}

/** The slots that a change has ended which they have not seen: of all changes that still matter, or of some. */
async function findInvalid(db: Database, tags: readonly Tag[] | undefined) {
  const some =
    tags === undefined
      ? sql`expires_at > now()`
      : sql`tag in (select json_array_elements_text(${JSON.stringify(tags)}::json))`
  return db.execute<Record<'index' | 'until', string>>(sql`
    with ended as materialized (select tag, transaction, expires_at from changes where ends and ${some}),
    named as (
      select split_part(tag, ' ', 2)::bigint as index, expires_at from ended where tag like 'status %'
      union all
      select slot.index, ended.expires_at from ended join status_slots as slot on slot.tags @> array[ended.tag]
      where not pg_visible_in_snapshot(ended.transaction, slot.seen))
    select index::text, extract(epoch from max(expires_at))::text as until from named group by index`)
}
