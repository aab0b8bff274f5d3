import { and, eq, gte, lt } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { keyset, type Place } from '../database/keyset.ts'
import { auditEvents } from '../database/schema.ts'

/** An event as it is kept. */
export type StoredEvent = typeof auditEvents.$inferSelect

/** Which events; all that are given must fit. An index serves each by itself, with the range of time. */
export interface EventFilter {
  readonly type?: string | undefined
  /** The account or client that it concerns, by identifier. */
  readonly subject?: string | undefined
  /** The client through which it was asked, or which it is about. */
  readonly client?: string | undefined
  readonly since?: Date | undefined
  /** Before this. */
  readonly until?: Date | undefined
}

const inOrder = keyset(auditEvents.at, auditEvents.id, 'newest')

/** A page of events, the newest first, after the one given. */
export function searchEvents(
  db: Database,
  { type, subject, client, since, until }: EventFilter,
  limit: number,
  after?: Place,
): Promise<StoredEvent[]> {
  const { type: ofType, subjectId, clientId, at } = auditEvents
  return db
    .select()
    .from(auditEvents)
    .where(
      and(
        type === undefined ? undefined : eq(ofType, type),
        subject === undefined ? undefined : eq(subjectId, subject),
        client === undefined ? undefined : eq(clientId, client),
        since && gte(at, since),
        until && lt(at, until),
        inOrder.after(after),
      ),
    )
    .orderBy(...inOrder.order)
    .limit(limit)
}
