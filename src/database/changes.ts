import { and, gt, inArray, sql } from 'drizzle-orm'
import type { Database } from './client.ts'
import { changes } from './schema.ts'

/** The channel of NOTIFY; payloads are tags, one a line. */
export const CHANNEL = 'gatehouse_changes'

/** As long as a self-contained token is believed without the database. */
const RECENT_MS = 15 * 60 * 1000

/** Longer than any access token lives, whose status is told by the changes since it was issued. */
export const KEPT_MS = 25 * 60 * 60 * 1000

/** A notification holds 8,000 bytes, a tag up to 210. */
const TAGS_AT_ONCE = 35

/** Something that credentials depend on, such as `grant abc` or `account 123`. */
export type Tag =
  `${'account' | 'account_key' | 'client' | 'grant' | 'session' | 'api_key' | 'token' | 'status' | 'keys' | 'resource'} ${string}`

/** That other signing keys are there. */
export const KEYS_CHANGED: Tag = 'keys signing'
/** That some are not there any more, with which what they signed is worthless. */
export const KEYS_DELETED: Tag = 'keys deleted'

/** Told in the process that makes a change, before it is committed. */
type Listener = (tags: readonly Tag[], at: Date) => void

const listeners = new Set<Listener>()

/**
 * Announces that things changed, to every process, by one statement in the transaction of the change:
 * others hear of it when it is committed, this process at once, so that its next request asks the database.
 * @param ends whether tokens that depend on them end, for who has only the status list to tell it by
 */
export async function announce(db: Database, tags: readonly Tag[], now: Date, ends = true): Promise<void> {
  if (tags.length === 0) return
  for (const listener of listeners) listener(tags, now)
  const expiresAt = new Date(now.getTime() + KEPT_MS).toISOString()
  for (let start = 0; start < tags.length; start += TAGS_AT_ONCE) {
    const some = tags.slice(start, start + TAGS_AT_ONCE)
    await db.execute(sql`
      with told as (
        insert into changes (tag, at, expires_at, ends)
        select tag, ${now.toISOString()}::timestamptz, ${expiresAt}::timestamptz, ${ends}
        from json_array_elements_text(${JSON.stringify(some)}::json) as tag returning 1)
      select pg_notify(${CHANNEL}, ${some.join('\n')}) from (select count(*) from told) as counted`)
  }
}

/** Has a listener told of what this process announces. Returns how to stop. */
export function onAnnounce(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Which of these changes, each announced at a moment, are committed by now. */
export async function committedChanges(db: Database, awaited: ReadonlyMap<Tag, Date>): Promise<Tag[]> {
  const rows = await db
    .select({ tag: changes.tag, at: changes.at })
    .from(changes)
    .where(inArray(changes.tag, [...awaited.keys()]))
  return [...new Set(rows.map(({ tag }) => tag as Tag))].filter((tag) =>
    rows.some((row) => row.tag === tag && row.at >= (awaited.get(tag) ?? row.at)),
  )
}

/** The changes that may still matter, or those after an identity, and the last identity of all. */
export async function recentChanges(
  db: Database,
  now: Date,
  after = 0,
): Promise<{ rows: { id: number; tag: Tag }[]; last: number }> {
  const rows = await db
    .select({ id: changes.id, tag: changes.tag })
    .from(changes)
    .where(
      after === 0
        ? and(gt(changes.expiresAt, now), gt(changes.at, new Date(now.getTime() - RECENT_MS)))
        : gt(changes.id, after),
    )
    .orderBy(changes.id)
  return { rows: rows.map(({ id, tag }) => ({ id, tag: tag as Tag })), last: rows.at(-1)?.id ?? after }
}
