import { sql } from 'drizzle-orm'
import { lineageEnd } from '../credentials/lineage.ts'
import { KEPT_MS, type Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import type { LiveChanges } from '../database/live-changes.ts'
import { InvalidCredential } from '../errors.ts'
import { digest } from '../secrets/opaque-token.ts'

/** It is named by new tokens for a day, and then kept for as long as those may live. */
const LIFETIME_MS = 24 * 60 * 60 * 1000 + KEPT_MS

/** How many slots are remembered. */
const MOST = 10_000

interface Slot {
  readonly index: number
  /** From then on no token names it any more, so that each that does ends before the slot. */
  readonly usableUntil: number
}

/** Gives tokens their places in status lists. */
export interface StatusSlots {
  /**
   * The index of the tokens that depend on these, which are sorted; a new one for as long as a day, and when one of these ended.
   * @param isTransaction whether `db` is one, so that what is found in it may not come to be
   * @throws {InvalidCredential} when one of these lives no more
   */
  find(db: Database, tags: readonly Tag[], isTransaction: boolean): Promise<number>
}

/** Remembers the slots of what depends on one thing alone, a client, whose tokens are issued without a query. */
export function createStatusSlots(changes: LiveChanges): StatusSlots {
  const slots = new Map<Tag, Slot>()
  const forgetIndex = (index: number) => {
    for (const [tag, slot] of slots) if (slot.index === index) slots.delete(tag)
  }
  changes.tell({
    forget: (tag) => (tag.startsWith('status ') ? forgetIndex(indexOf(tag)) : void slots.delete(tag)),
    forgetAll: () => slots.clear(),
  })

  return {
    async find(db, tags, isTransaction) {
      const [tag, ...more] = tags as [Tag, ...Tag[]]
      const known = more.length === 0 && changes.isCurrent() ? slots.get(tag) : undefined
      if (known !== undefined && known.usableUntil > Date.now()) return known.index
      const askedAt = new Date()
      const slot = (await findSlot(db, tags, askedAt)) ?? (await makeSlot(db, tags, askedAt))
      const isSettled = changes.isCurrent() && !changes.changedSince([tag, `status ${slot.index}`], askedAt)
      if (more.length > 0 || isTransaction || !isSettled) return slot.index
      if (slots.size >= MOST) slots.clear()
      slots.set(tag, slot)
      return slot.index
    },
  }
}

/** The index that a change of a slot alone names. */
export const indexOf = (tag: Tag) => Number(tag.slice('status '.length))

type Row = Record<'index' | 'expires', string>
const slotOf = ({ index, expires }: Row) => ({ index: Number(index), usableUntil: Number(expires) * 1000 - KEPT_MS })

/**
 * One that nothing has ended that it does not know of. In a copy of a database, which counts its transactions anew, no
 * slot from before is good.
 */
async function findSlot(db: Database, tags: readonly Tag[], now: Date): Promise<Slot | undefined> {
  const usable = new Date(now.getTime() + KEPT_MS)
  const [found] = await db.execute<Row>(sql`
    select index::text, extract(epoch from expires_at)::text as expires from status_slots as slot
    where key = decode(${keyOf(tags)}, 'hex') and expires_at > ${usable.toISOString()}::timestamptz
      and pg_snapshot_xmax(seen) <= pg_snapshot_xmax(pg_current_snapshot())
      and not exists (
        select from changes where tag = any(slot.tags || ('status ' || slot.index)) and ends
          and not pg_visible_in_snapshot(transaction, slot.seen))
    order by expires_at desc limit 1`)
  return found && slotOf(found)
}

/** Looks whether all lives after it has noted what it knows: what ends between the two, ends the slot. */
async function makeSlot(db: Database, tags: readonly Tag[], now: Date): Promise<Slot> {
  const expiresAt = new Date(now.getTime() + LIFETIME_MS).toISOString()
  const [made] = await db.execute<Row>(sql`
    insert into status_slots (key, tags, expires_at)
    select decode(${keyOf(tags)}, 'hex'), array(select json_array_elements_text(${JSON.stringify(tags)}::json)),
      ${expiresAt}::timestamptz
    returning index::text, extract(epoch from expires_at)::text as expires`)
  const end = await lineageEnd(db, tags, now)
  if (made === undefined || end === undefined) throw new InvalidCredential('what the token would depend on is gone')
  return slotOf(made)
}

const keyOf = (tags: readonly Tag[]) => Buffer.from(digest(tags.join('\n')), 'base64url').toString('hex')
