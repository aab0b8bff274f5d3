import { and, eq, sql } from 'drizzle-orm'
import type { Origin } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { keyset, type Place } from '../database/keyset.ts'
import { firstPartyRefreshTokens, firstPartySessions } from '../database/schema.ts'
import { NotFound } from '../errors.ts'
import { endSession, type FirstPartySession, isOpen, SESSION_COLUMNS } from './sessions.ts'
import { beganAt, endSignOns } from './sign-ons.ts'

/** A session as its owner sees it. */
export interface OwnSession extends FirstPartySession {
  /** When it was last refreshed, or signed in to. */
  readonly lastUsedAt: Date
}

const lastRefresh = sql<string | null>`(select max(${firstPartyRefreshTokens.consumedAt})
  from ${firstPartyRefreshTokens} where ${firstPartyRefreshTokens.sessionId} = ${firstPartySessions.id})`

const inOrder = keyset(firstPartySessions.authenticatedAt, firstPartySessions.id, 'newest')

/** Where an account is signed in, the newest first; all of it, or a page after a place. */
export async function listSessions(
  db: Database,
  accountId: string,
  now: Date,
  page?: { readonly limit: number; readonly after: Place | undefined },
): Promise<OwnSession[]> {
  const query = db
    .select({ ...SESSION_COLUMNS, lastRefresh })
    .from(firstPartySessions)
    .where(and(eq(firstPartySessions.accountId, accountId), isOpen(now), inOrder.after(page?.after)))
    .orderBy(...inOrder.order)
  const sessions = await (page === undefined ? query : query.limit(page.limit))
  return sessions.map(({ lastRefresh, ...session }) => ({
    ...session,
    lastUsedAt: lastRefresh === null ? session.authenticatedAt : new Date(lastRefresh),
  }))
}

/**
 * Signs an account out of one session, or of all but one: with the single sign-on that came of each, and the grants
 * that last no longer (ASVS V7.5.2).
 * @throws {NotFound} when there is no such session, or it is another's
 */
export async function endOwnSessions(
  db: Database,
  accountId: string,
  which: { readonly id: string } | { readonly allBut: string },
  now: Date,
  origin: Origin,
): Promise<void> {
  await db.transaction(async (tx) => {
    const sessions = await listSessions(tx, accountId, now)
    const ending = sessions.filter(({ id }) => ('id' in which ? id === which.id : id !== which.allBut))
    if ('id' in which && ending.length === 0) throw new NotFound('There is no such session.')
    for (const { id, authenticatedAt } of ending) {
      await endSession(tx, id, now, origin)
      await endSignOns(tx, beganAt(accountId, authenticatedAt), now, origin)
    }
  })
}
