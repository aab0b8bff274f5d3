import { and, asc, getTableColumns, isNotNull, sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { auditEvents } from '../database/schema.ts'
import { type ChainedEvent, toChained } from './chain.ts'
import { checkpointHeader } from './checkpoint.ts'
import { auditCheckpoints } from './schema.ts'

/** The log in its order: each checkpoint, then the events it signs. */
export type Entry = { readonly checkpoint: string } | { readonly event: ChainedEvent; readonly hash: string }

const PAGE = 1_000

interface Place {
  readonly day: string
  readonly seq: number
}

/**
 * Reads the log as it is when the reading starts, a page at a time; what is linked meanwhile is not in it.
 * @param since the first day to read
 */
export async function* readLog(db: Database, since = '0001-01-01'): AsyncGenerator<Entry> {
  const { event: lastEvent, checkpoint: lastCheckpoint } = await ends(db)
  const checkpoints = pages((after) => checkpointsAfter(db, after, lastCheckpoint), since)
  let ahead = await checkpoints.next()
  for await (const { row, ...place } of pages((after) => eventsAfter(db, after, lastEvent), since)) {
    while (!ahead.done && !isBefore(place, ahead.value)) {
      yield { checkpoint: ahead.value.jws }
      ahead = await checkpoints.next()
    }
    yield { event: toChained(row, place.day, place.seq), hash: row.hash ?? '' }
  }
  for (; !ahead.done; ahead = await checkpoints.next()) yield { checkpoint: ahead.value.jws }
}

/** How many committed events are not linked yet, and since when the oldest waits. */
export async function unlinked(db: Database): Promise<{ count: number; since: string | undefined }> {
  const [row] = await db.execute<{ count: number; since: string | null }>(sql`
    select count(*)::integer as count, to_json(min(at))#>>'{}' as since from audit_events where seq is null`)
  return { count: row?.count ?? 0, since: row?.since ?? undefined }
}

/** Whether something that is kept was signed by a key, or may have been: it is of a day on which the key still signed. */
export async function isSignedBy(db: Database, key: { kid: string; alg: string; until: Date }): Promise<boolean> {
  const day = key.until.toISOString().slice(0, 10)
  const [row] = await db.execute<{ signed: boolean }>(sql`
    select case
      when exists (select from audit_checkpoints where day <= ${day}::date + 1) then true
      else exists (select from audit_checkpoints where starts_with(jws, ${checkpointHeader(key.kid, key.alg)}))
    end as signed`)
  return row?.signed ?? true
}

/** The last places of both tables, by one statement, so that they belong together. */
async function ends(db: Database): Promise<{ event: Place; checkpoint: Place }> {
  const [row] = await db.execute<{ event: Place | null; checkpoint: Place | null }>(sql`
    select
      (select json_build_object('day', day, 'seq', seq) from audit_events
       where seq is not null order by day desc, seq desc limit 1) as event,
      (select json_build_object('day', day, 'seq', first) from audit_checkpoints
       order by day desc, first desc limit 1) as checkpoint`)
  const nowhere = { day: '0001-01-01', seq: 0 }
  return { event: row?.event ?? nowhere, checkpoint: row?.checkpoint ?? nowhere }
}

async function* pages<Item extends Place>(
  read: (after: Place) => Promise<Item[]>,
  since: string,
): AsyncGenerator<Item, undefined> {
  let after: Place | undefined = { day: since, seq: 0 }
  while (after !== undefined) {
    const items: Item[] = await read(after)
    yield* items
    after = items.at(-1)
  }
}

async function eventsAfter(db: Database, after: Place, last: Place) {
  const { day, seq } = getTableColumns(auditEvents)
  const rows = await db
    .select()
    .from(auditEvents)
    .where(
      and(isNotNull(seq), sql`(${day}, ${seq}) > (${after.day}::date, ${after.seq}::integer)`, upTo(day, seq, last)),
    )
    .orderBy(asc(day), asc(seq))
    .limit(PAGE)
  return rows.map((row) => ({ row, day: row.day ?? '', seq: row.seq ?? 0 }))
}

function checkpointsAfter(db: Database, after: Place, last: Place) {
  const { day, first, jws } = getTableColumns(auditCheckpoints)
  return db
    .select({ day, seq: first, jws })
    .from(auditCheckpoints)
    .where(and(sql`(${day}, ${first}) > (${after.day}::date, ${after.seq}::integer)`, upTo(day, first, last)))
    .orderBy(asc(day), asc(first))
    .limit(PAGE)
}

const upTo = (day: unknown, seq: unknown, last: Place) =>
  sql`(${day}, ${seq}) <= (${last.day}::date, ${last.seq}::integer)`

const isBefore = (a: Place, b: Place) => a.day < b.day || (a.day === b.day && a.seq < b.seq)
