import { and, eq, gt } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { firstPartySessions, providerModels } from '../database/schema.ts'
import { closeSessions } from './sessions.ts'
import { endSignOns } from './sign-ons.ts'

/**
 * Signs an account out wherever it is signed in, or every account: ends the sessions and the single sign-ons, with
 * the grants that last no longer. API keys and offline access stay (ASVS V7.4.5).
 * @param accountId all accounts when left out
 * @returns how many sessions were ended
 */
export async function signOutEverywhere(
  db: Database,
  accountId: string | undefined,
  now: Date,
  origin: Origin,
): Promise<number> {
  return db.transaction(async (tx) => {
    const isOfAccount = accountId === undefined ? undefined : eq(firstPartySessions.accountId, accountId)
    const ended = await closeSessions(tx, and(gt(firstPartySessions.expiresAt, now), isOfAccount), now, origin)
    await record(tx, {
      type: 'session.end_all',
      ...origin,
      subject: accountId === undefined ? undefined : { kind: 'account', id: accountId },
      details: { sessions: ended.length },
    })
    const isTheirs = accountId === undefined ? undefined : eq(providerModels.accountId, accountId)
    await endSignOns(tx, isTheirs, now, origin)
    return ended.length
  })
}
