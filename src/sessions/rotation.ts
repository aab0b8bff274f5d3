import { and, eq, gt, inArray, isNull } from 'drizzle-orm'
import { ACCOUNT_COLUMNS } from '../accounts/accounts.ts'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { accounts, firstPartyRefreshTokens, firstPartySessions } from '../database/schema.ts'
import { digest } from '../secrets/opaque-token.ts'
import { mayRetry, wasUnderWay } from '../secrets/single-use.ts'
import type { Successors } from '../secrets/successors.ts'
import { endSession, type IssuedSession, insertRefreshToken, isLive, SESSION_COLUMNS } from './sessions.ts'

/** One use of a refresh token. */
export interface Use {
  readonly now: Date
  readonly arrivedAt: Date
  readonly origin: Origin
  readonly successors: Successors
}

/**
 * Exchanges a refresh token for its successor. One conditional UPDATE decides who makes it. The retry of who has
 * not got the answer gets the same one, for half a minute and until it is used; any other use of a consumed
 * token is that of a copy, and ends its session (RFC 9700 4.14.2).
 * @returns undefined when the token is unknown, expired, consumed or its session over
 */
export async function rotateSession(db: Database, refreshToken: string, use: Use): Promise<IssuedSession | undefined> {
  return (await rotate(db, refreshToken, use)) ?? (await retryOrEnd(db, refreshToken, use))
}

async function rotate(
  db: Database,
  refreshToken: string,
  { now, origin, successors }: Use,
): Promise<IssuedSession | undefined> {
  return db.transaction(async (tx) => {
    const [consumed] = await tx
      .update(firstPartyRefreshTokens)
      .set({ consumedAt: now })
      .from(firstPartySessions)
      .innerJoin(accounts, eq(accounts.id, firstPartySessions.accountId))
      .where(
        and(
          eq(firstPartyRefreshTokens.digest, digest(refreshToken)),
          isNull(firstPartyRefreshTokens.consumedAt),
          gt(firstPartyRefreshTokens.expiresAt, now),
          eq(firstPartySessions.id, firstPartyRefreshTokens.sessionId),
          isLive(now),
        ),
      )
      .returning({ session: SESSION_COLUMNS, account: ACCOUNT_COLUMNS })
    if (consumed === undefined) return undefined
    await record(tx, refreshOf(consumed, origin))
    return { ...consumed, ...(await insertRefreshToken(tx, consumed.session, now, successors.of(refreshToken))) }
  })
}

async function retryOrEnd(db: Database, refreshToken: string, use: Use): Promise<IssuedSession | undefined> {
  const { now, arrivedAt, origin, successors } = use
  const [token] = await db
    .select({
      consumedAt: firstPartyRefreshTokens.consumedAt,
      sessionId: firstPartyRefreshTokens.sessionId,
      accountId: firstPartySessions.accountId,
    })
    .from(firstPartyRefreshTokens)
    .innerJoin(firstPartySessions, eq(firstPartySessions.id, firstPartyRefreshTokens.sessionId))
    .where(eq(firstPartyRefreshTokens.digest, digest(refreshToken)))
  if (token?.consumedAt == null) return undefined
  if (mayRetry(token.consumedAt, now)) {
    const [unused] = await db
      .select({
        session: SESSION_COLUMNS,
        account: ACCOUNT_COLUMNS,
        digest: firstPartyRefreshTokens.digest,
        refreshExpiresAt: firstPartyRefreshTokens.expiresAt,
      })
      .from(firstPartyRefreshTokens)
      .innerJoin(firstPartySessions, eq(firstPartySessions.id, firstPartyRefreshTokens.sessionId))
      .innerJoin(accounts, eq(accounts.id, firstPartySessions.accountId))
      .where(
        and(
          inArray(firstPartyRefreshTokens.digest, successors.digestsOf(refreshToken)),
          isNull(firstPartyRefreshTokens.consumedAt),
          isLive(now),
        ),
      )
    const successor = unused && successors.withDigest(refreshToken, unused.digest)
    if (unused !== undefined && successor !== undefined) {
      const { session, account, refreshExpiresAt } = unused
      await record(db, { ...refreshOf(unused, origin), details: { retry: true } })
      return { session, account, refreshToken: successor, refreshExpiresAt }
    }
  }
  if (!wasUnderWay(arrivedAt, token.consumedAt)) await endReplayed(db, token, use)
  return undefined
}

function refreshOf({ session, account }: Pick<IssuedSession, 'session' | 'account'>, origin: Origin) {
  return {
    type: 'session.refresh',
    ...origin,
    subject: { kind: 'account', id: account.id },
    credential: { kind: 'first_party_session', id: session.id },
  } as const
}

async function endReplayed(
  db: Database,
  { sessionId, accountId }: { sessionId: string; accountId: string },
  { now, origin }: Use,
): Promise<void> {
  await db.transaction(async (tx) => {
    await record(tx, {
      type: 'session.replay',
      outcome: 'failure',
      ...origin,
      subject: { kind: 'account', id: accountId },
      credential: { kind: 'first_party_session', id: sessionId },
    })
    await endSession(tx, sessionId, now, origin)
  })
}
