import { asc, desc, isNull, sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { auditEvents } from '../database/schema.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { GENESIS, link, toChained } from './chain.ts'
import { openCheckpoint, signCheckpoint } from './checkpoint.ts'
import { auditCheckpoints } from './schema.ts'

/** Events that are linked at once, under one signature. */
const BATCH = 250

/**
 * Links the committed events that are not yet, the lowest identity first, and signs where they end. Any number of
 * processes may do so at once: one statement both signs and links, and only one can go on from the same hash.
 * @returns how many were linked
 * @throws when the last checkpoint is not signed by a key of ours, since nothing may be built on it
 */
export async function linkEvents(db: Database, keys: KeyRing, now: Date): Promise<number> {
  const head = db
    .select({ jws: auditCheckpoints.jws })
    .from(auditCheckpoints)
    .orderBy(desc(auditCheckpoints.day), desc(auditCheckpoints.first))
    .limit(1)
    .as('head')
  // One statement, so that the head is as old as the events: what another linked since is in neither.
  const rows = await db
    .select({ event: auditEvents, head: head.jws })
    .from(auditEvents)
    .leftJoin(head, sql`true`)
    .where(isNull(auditEvents.seq))
    .orderBy(asc(auditEvents.id))
    .limit(BATCH)
  if (rows.length === 0) return 0

  const jws = rows[0]?.head
  const last = jws && (await openCheckpoint(jws, (kid, alg) => keys.verifier('audit', kid, alg)))
  const today = now.toISOString().slice(0, 10)
  const day = last && last.day > today ? last.day : today
  const first = last && last.day === day ? last.last + 1 : 1
  const before = last ? last.hash : GENESIS
  let hash = before
  const links = rows.map(({ event }, index) => {
    hash = link(hash, toChained(event, day, first + index))
    return { id: event.id, seq: first + index, hash }
  })
  const checkpoint = { day, first, last: first + rows.length - 1, before, hash, at: now.toISOString() }
  const signed = await signCheckpoint(checkpoint, await keys.signer('audit'))

  const linked = await db.execute(sql`
    with signed as (
      insert into audit_checkpoints (before, day, first, jws) values (${before}, ${day}::date, ${first}::integer, ${signed})
      on conflict do nothing returning day)
    update audit_events set day = signed.day, seq = links.seq, hash = links.hash
    from signed, json_to_recordset(${JSON.stringify(links)}::json) as links (id bigint, seq integer, hash text)
    where audit_events.id = links.id`)
  return linked.count
}

/** Links events over and over, in every server process; whichever comes first does the work. */
export interface Notary {
  /** Links what there is for the last time. */
  close(): Promise<void>
}

/** @param intervalMs how long events may stay unlinked */
export function createNotary(
  db: Database,
  keys: KeyRing,
  intervalMs: number,
  onError: (error: unknown) => void,
): Notary {
  let working: Promise<void> | undefined
  const linkAll = async () => {
    while ((await linkEvents(db, keys, new Date())) === BATCH);
  }
  const work = () => {
    working ??= linkAll()
      .catch(onError)
      .finally(() => {
        working = undefined
      })
    return working
  }
  const timer = setInterval(work, intervalMs).unref()

  return {
    async close() {
      clearInterval(timer)
      await working
      await work()
    },
  }
}
