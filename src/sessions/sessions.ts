import { randomUUID } from 'node:crypto'
import { and, eq, gt, isNull, sql } from 'drizzle-orm'
import { ACCOUNT_COLUMNS, type Account } from '../accounts/accounts.ts'
import { type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { accounts, firstPartyRefreshTokens, firstPartySessions } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { digest, makeOpaqueToken } from '../secrets/opaque-token.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** A session ends this long after the sign-in, however much it is used (ASVS V7.3.2). */
export const SESSION_ABSOLUTE_MS = 30 * DAY_MS
/** A session ends when it was not refreshed for this long (ASVS V7.3.1). */
export const SESSION_IDLE_MS = 14 * DAY_MS

/** A first-party session: one sign-in with e-mail and password. */
export interface FirstPartySession {
  readonly id: string
  readonly authenticatedAt: Date
  /** Absolute; never moves. */
  readonly expiresAt: Date
}

/** A session with the refresh token that is its newest, shown this once. */
export interface IssuedSession {
  readonly session: FirstPartySession
  readonly account: Account
  readonly refreshToken: string
  readonly refreshExpiresAt: Date
}

export const SESSION_COLUMNS = {
  id: firstPartySessions.id,
  authenticatedAt: firstPartySessions.authenticatedAt,
  expiresAt: firstPartySessions.expiresAt,
}

/** The condition that a session, joined with its account, is live. */
export const isLive = (now: Date) =>
  and(isNull(firstPartySessions.endedAt), gt(firstPartySessions.expiresAt, now), isNull(accounts.disabledAt))

/** Starts a session for an account that has just proven who it is. */
export async function startSession(
  db: Database,
  account: Account,
  now: Date,
  origin: Origin = {},
): Promise<IssuedSession> {
  const session = { id: randomUUID(), authenticatedAt: now, expiresAt: new Date(now.getTime() + SESSION_ABSOLUTE_MS) }
  return db.transaction(async (tx) => {
    await tx.insert(firstPartySessions).values({ ...session, accountId: account.id })
    await record(tx, {
      type: 'session.start',
      ...origin,
      subject: { kind: 'account', id: account.id },
      credential: { kind: 'first_party_session', id: session.id },
    })
    return { session, account, ...(await insertRefreshToken(tx, session, now)) }
  })
}

/** The live session a refresh token belongs to, without consuming the token. */
export async function findSession(
  db: Database,
  refreshToken: string,
  now: Date,
): Promise<{ session: FirstPartySession; account: Account } | undefined> {
  const [found] = await db
    .select({ session: SESSION_COLUMNS, account: ACCOUNT_COLUMNS })
    .from(firstPartyRefreshTokens)
    .innerJoin(firstPartySessions, eq(firstPartySessions.id, firstPartyRefreshTokens.sessionId))
    .innerJoin(accounts, eq(accounts.id, firstPartySessions.accountId))
    .where(
      and(
        eq(firstPartyRefreshTokens.digest, digest(refreshToken)),
        isNull(firstPartyRefreshTokens.consumedAt),
        gt(firstPartyRefreshTokens.expiresAt, now),
        isLive(now),
      ),
    )
  return found
}

const liveById = statement((db) =>
  db
    .select({ session: SESSION_COLUMNS, account: ACCOUNT_COLUMNS })
    .from(firstPartySessions)
    .innerJoin(accounts, eq(accounts.id, firstPartySessions.accountId))
    .where(
      and(
        eq(firstPartySessions.id, sql.placeholder('id')),
        isNull(firstPartySessions.endedAt),
        gt(firstPartySessions.expiresAt, sql`${sql.placeholder('now')}::timestamptz`),
        isNull(accounts.disabledAt),
      ),
    )
    .prepare('find_live_session'),
)

/** A session and its account by identifier, while both are live. */
export async function findLiveSession(
  db: Database,
  id: string,
  now: Date,
): Promise<{ session: FirstPartySession; account: Account } | undefined> {
  return (await liveById(db).execute({ id, now: now.toISOString() }))[0]
}

/** Ends a session; its refresh token and its JWTs are refused from the next request on. */
export async function endSession(db: Database, id: string, now: Date, origin: Origin = {}): Promise<void> {
  await db.transaction(async (tx) => {
    const [ended] = await tx
      .update(firstPartySessions)
      .set({ endedAt: now })
      .where(and(eq(firstPartySessions.id, id), isNull(firstPartySessions.endedAt)))
      .returning({ accountId: firstPartySessions.accountId })
    if (ended === undefined) return
    await announce(tx, [`session ${id}`], now)
    await record(tx, {
      type: 'session.end',
      ...origin,
      subject: { kind: 'account', id: ended.accountId },
      credential: origin.credential ?? { kind: 'first_party_session', id },
      details: { session: id },
    })
  })
}

/** Stores a refresh token of a session: its digest, and when the session ends if it is not used. */
export async function insertRefreshToken(
  db: Database,
  session: FirstPartySession,
  now: Date,
  refreshToken = makeOpaqueToken(),
) {
  const idleEnd = now.getTime() + SESSION_IDLE_MS
  const refreshExpiresAt = new Date(Math.min(idleEnd, session.expiresAt.getTime()))
  await db
    .insert(firstPartyRefreshTokens)
    .values({ digest: digest(refreshToken), sessionId: session.id, expiresAt: refreshExpiresAt })
  return { refreshToken, refreshExpiresAt }
}
