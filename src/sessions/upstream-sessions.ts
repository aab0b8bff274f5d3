import { and, eq, gt, ne } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { firstPartySessions } from '../database/schema.ts'
import { closeSessions } from './sessions.ts'
import { beganAt, endSignOns } from './sign-ons.ts'

/** Sessions that came of sign-ins at an upstream. */
export interface UpstreamSessions {
  readonly issuer: string
  /** Of one account; of all when left out. */
  readonly accountId?: string | undefined
  /** A session that goes on. */
  readonly allBut?: string | undefined
}

/**
 * Ends the sessions that came of sign-ins at an upstream, in a transaction: with the single sign-on that came of each, and
 * the grants that last no longer (ASVS V7.4.3).
 * @returns how many
 */
export async function endUpstreamSessions(
  tx: Database,
  { issuer, accountId, allBut }: UpstreamSessions,
  now: Date,
  origin: Origin,
): Promise<number> {
  const which = and(
    eq(firstPartySessions.upstreamIssuer, issuer),
    gt(firstPartySessions.expiresAt, now),
    accountId === undefined ? undefined : eq(firstPartySessions.accountId, accountId),
    allBut === undefined ? undefined : ne(firstPartySessions.id, allBut),
  )
  const ended = await closeSessions(tx, which, now, origin)
  for (const { id, accountId, authenticatedAt } of ended) {
    const subject = { kind: 'account', id: accountId } as const
    await record(tx, { type: 'session.end', ...origin, subject, details: { session: id } })
    await endSignOns(tx, beganAt(accountId, authenticatedAt), now, origin)
  }
  return ended.length
}
