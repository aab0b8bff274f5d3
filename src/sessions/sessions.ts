import { randomUUID } from 'node:crypto'
import { and, eq, gt, isNull, ne, type SQL, sql } from 'drizzle-orm'
import { ACCOUNT_COLUMNS, type Account } from '../accounts/accounts.ts'
import { type AuthenticatedAccount, requireSamePassword } from '../accounts/authentication.ts'
import { type Origin, record } from '../audit/audit.ts'
import { announce, type Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { accounts, firstPartyRefreshTokens, firstPartySessions } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { digest, makeOpaqueToken } from '../secrets/opaque-token.ts'
import { endBoundGrants } from './bound-grants.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** A session ends this long after the sign-in, however much it is used (ASVS V7.3.2). */
export const SESSION_ABSOLUTE_MS = 30 * DAY_MS
/** A session ends when it was not refreshed for this long (ASVS V7.3.1). */
export const SESSION_IDLE_MS = 14 * DAY_MS

/** A first-party session: one sign-in, with e-mail and password or at an upstream provider. */
export interface FirstPartySession {
  readonly id: string
  /** When the person gave the password, or signed in at the upstream. */
  readonly authenticatedAt: Date
  /** The issuer of the upstream at which the person signed in; null for a password. */
  readonly upstreamIssuer: string | null
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
  upstreamIssuer: firstPartySessions.upstreamIssuer,
  expiresAt: firstPartySessions.expiresAt,
}

/** The condition that a session has not ended. */
export const isOpen = (now: Date) => and(isNull(firstPartySessions.endedAt), gt(firstPartySessions.expiresAt, now))

/** The condition that a session, joined with its account, is live. */
export const isLive = (now: Date) => and(isOpen(now), isNull(accounts.disabledAt))

/** A sign-in elsewhere that a session comes of. */
export type UpstreamAuthentication = Pick<FirstPartySession, 'authenticatedAt'> & { readonly upstreamIssuer: string }

/**
 * Starts a session for an account that was just made, has given its password, or signed in at an upstream.
 * @param before the session of the same browser, if it has one, which ends with that (ASVS V7.2.4)
 * @throws {InvalidSignIn} when the password was changed meanwhile
 */
export async function startSession(
  db: Database,
  account: Account | AuthenticatedAccount,
  now: Date,
  origin: Origin = {},
  before?: Pick<FirstPartySession, 'id'>,
  upstream?: UpstreamAuthentication,
): Promise<IssuedSession> {
  const { authenticatedAt, upstreamIssuer } = upstream ?? { authenticatedAt: now, upstreamIssuer: null }
  const expiresAt = new Date(now.getTime() + SESSION_ABSOLUTE_MS)
  const session = { id: randomUUID(), authenticatedAt, upstreamIssuer, expiresAt }
  return db.transaction(async (tx) => {
    if ('passwordHash' in account) await requireSamePassword(tx, account)
    if (before !== undefined) await endSession(tx, before.id, now, origin)
    await tx.insert(firstPartySessions).values({ ...session, accountId: account.id })
    await record(tx, {
      type: 'session.start',
      ...origin,
      subject: { kind: 'account', id: account.id },
      credential: { kind: 'first_party_session', id: session.id },
      ...(upstream === undefined ? {} : { details: { upstream: upstreamIssuer } }),
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

/**
 * Ends a session; its refresh token and its JWTs are refused from the next request on.
 * @returns when it was signed in to; undefined when it had ended before
 */
export async function endSession(db: Database, id: string, now: Date, origin: Origin = {}): Promise<Date | undefined> {
  return db.transaction(async (tx) => {
    const [ended] = await closeSessions(tx, eq(firstPartySessions.id, id), now, origin)
    if (ended === undefined) return undefined
    await record(tx, {
      type: 'session.end',
      ...origin,
      subject: { kind: 'account', id: ended.accountId },
      credential: origin.credential ?? { kind: 'first_party_session', id },
      details: { session: id },
    })
    return ended.authenticatedAt
  })
}

/**
 * Has sessions that have not ended refused from the next request on, in a transaction, with the grants that were to last
 * no longer; the audit of the sessions is for the caller to tell. Returns which they were.
 */
export async function closeSessions(tx: Database, which: SQL | undefined, now: Date, origin: Origin) {
  const ended = await tx
    .update(firstPartySessions)
    .set({ endedAt: now })
    .where(and(isNull(firstPartySessions.endedAt), which))
    .returning({ ...SESSION_COLUMNS, accountId: firstPartySessions.accountId })
  await announce(
    tx,
    ended.map(({ id }): Tag => `session ${id}`),
    now,
  )
  await endBoundGrants(tx, ended, now, origin)
  return ended
}

/** Ends all sessions of an account but one. */
export async function endOtherSessions(
  db: Database,
  accountId: string,
  except: string,
  now: Date,
  origin: Origin = {},
): Promise<void> {
  await db.transaction(async (tx) => {
    const isOther = and(eq(firstPartySessions.accountId, accountId), ne(firstPartySessions.id, except))
    const ended = await closeSessions(tx, isOther, now, origin)
    const subject = { kind: 'account', id: accountId } as const
    for (const { id } of ended) await record(tx, { type: 'session.end', ...origin, subject, details: { session: id } })
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
