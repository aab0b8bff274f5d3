import { and, eq } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { createOutbox } from '../database/outbox.ts'
import { type ResealOutcome, reseal } from '../secrets/reseal.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { pingNotices } from './schema.ts'

export type PingNotice = typeof pingNotices.$inferSelect

/** What a client gave to be told with, and what it is told of. */
export interface Ping {
  /** `client_notification_token` (CIBA 7.1), a bearer token of the client's. */
  readonly token: string
  /** `auth_req_id` (CIBA 7.3). */
  readonly request: string
}

/** The answers that clients are to be told of; each until its request is over. */
export const pingOutbox = createOutbox(pingNotices, ({ id, accountId, clientId }) => ({
  type: 'backchannel_authentication.notify',
  subject: { kind: 'account', id: accountId },
  clientId,
  details: { request: id },
}))

/** Keeps what a client is to be told with, sealed, until somebody has answered its request. */
export async function keepPing(
  tx: Database,
  sealer: Sealer,
  notice: Pick<PingNotice, 'id' | 'clientId' | 'accountId' | 'giveUpAt'>,
  ping: Ping,
): Promise<void> {
  const sealed = await sealer.seal(purposeOf(notice.id), JSON.stringify(ping))
  await tx.insert(pingNotices).values({ ...notice, sealed })
}

/** Has the client of a request told that it is answered, once the transaction is committed; if it wants to be. */
export async function notePing(tx: Database, request: string, now: Date): Promise<void> {
  await tx.update(pingNotices).set({ nextAttemptAt: now }).where(eq(pingNotices.id, request))
}

/** @throws when none of SECRET_KEYS opens it */
export async function openPing(sealer: Sealer, { id, sealed }: PingNotice): Promise<Ping> {
  return JSON.parse(await sealer.open(purposeOf(id), sealed))
}

/** Seals every notice anew that is not sealed under the first of SECRET_KEYS. */
export async function resealPings(db: Database, sealer: Sealer): Promise<ResealOutcome> {
  const { id, sealed } = pingNotices
  const rows = await db.select({ name: id, sealed }).from(pingNotices)
  return reseal(sealer, purposeOf, rows, (which, before, anew) =>
    db
      .update(pingNotices)
      .set({ sealed: anew })
      .where(and(eq(id, which), eq(sealed, before)))
      .returning({ id }),
  )
}

const purposeOf = (id: string) => `ping-notice:${id}`
