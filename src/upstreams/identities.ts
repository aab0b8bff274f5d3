import { and, asc, eq, inArray, isNull } from 'drizzle-orm'
import { ACCOUNT_COLUMNS, type Account } from '../accounts/accounts.ts'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { accounts } from '../database/schema.ts'
import { Conflict, NotFound } from '../errors.ts'
import { endUpstreamSessions } from '../sessions/upstream-sessions.ts'
import { upstreamIdentities, upstreams } from './schema.ts'

/** Somebody at an upstream: the two together, and nothing else, tell who (OpenID Connect Core 5.7). */
export interface Identity {
  readonly issuer: string
  readonly subject: string
}

/** An upstream as somebody sees it who is signed in. */
export interface LinkedUpstream {
  readonly id: string
  readonly name: string
  /** Who the person is there (OpenID Connect Core 2), and since when that signs in to the account; null when not. */
  readonly sub: string | null
  readonly linkedAt: Date | null
}

const { issuer, subject, accountId, createdAt } = upstreamIdentities

const isIdentity = (identity: Identity) => and(eq(issuer, identity.issuer), eq(subject, identity.subject))

/** The account that an identity belongs to, disabled or not. */
export async function findOwner(db: Database, identity: Identity): Promise<string | undefined> {
  return (await db.select({ accountId }).from(upstreamIdentities).where(isIdentity(identity)))[0]?.accountId
}

/**
 * Holds an identity to its account, in a transaction, so that neither it is unlinked nor its upstream deleted meanwhile.
 * @returns undefined when it belongs to none, or to one that is disabled, or the upstream is not there any more
 */
export async function claimOwner(tx: Database, identity: Identity): Promise<Account | undefined> {
  const [owner] = await tx
    .select(ACCOUNT_COLUMNS)
    .from(upstreamIdentities)
    .innerJoin(accounts, eq(accounts.id, accountId))
    .innerJoin(upstreams, eq(upstreams.issuer, issuer))
    .where(and(isIdentity(identity), isNull(accounts.disabledAt)))
    .for('share', { of: [upstreamIdentities, upstreams] })
  return owner
}

/**
 * Has an identity belong to an account from now on. One that does already stays as it is.
 * @throws {Conflict} when it belongs to another account, or the account has another one at that upstream
 */
export async function linkIdentity(db: Database, owner: string, identity: Identity, origin: Origin): Promise<void> {
  await db.transaction(async (tx) => {
    const linked = await tx
      .insert(upstreamIdentities)
      .values({ ...identity, accountId: owner })
      .onConflictDoNothing()
      .returning({ accountId })
    if (linked.length === 0) {
      if ((await findOwner(tx, identity)) === owner) return
      throw new Conflict(
        'identity_taken',
        'That sign-in belongs to another account, or this account has another one there.',
      )
    }
    const whose = { kind: 'account', id: owner } as const
    await record(tx, { type: 'identity.link', ...origin, subject: whose, details: { ...identity } })
  })
}

/**
 * Ends that an account is signed in to at an upstream, with the sessions that came of it but for the one that asks
 * (ASVS V7.4.3).
 * @throws {NotFound} when it is not linked there
 * @throws {Conflict} when there would be no other way to sign in
 */
export async function unlinkIdentity(
  db: Database,
  { accountId: owner, sessionId }: { accountId: string; sessionId: string },
  upstreamId: string,
  now: Date,
  origin: Origin,
): Promise<void> {
  await db.transaction(async (tx) => {
    // Two that are taken away at once would leave none.
    const isOwner = eq(accounts.id, owner)
    const [account] = await tx
      .select({ hash: accounts.passwordHash })
      .from(accounts)
      .where(isOwner)
      .for('no key update')
    const gone = await takeIdentity(tx, owner, upstreamId)
    const left = await listLinkedUpstreams(tx, owner)
    if (account?.hash == null && left.every(({ linkedAt }) => linkedAt === null)) {
      throw new Conflict('last_way_in', 'This is the one way to sign in to the account. It stays.')
    }
    await endWhatCameOf(tx, gone, { accountId: owner, allBut: sessionId }, now, origin)
  })
}

/**
 * The same for whoever administers the account, all sessions that came of it included; it may be the last way to sign in.
 * @throws {NotFound} when it is not linked there
 */
export async function removeIdentity(
  db: Database,
  owner: string,
  upstreamId: string,
  now: Date,
  origin: Origin,
): Promise<void> {
  await db.transaction(async (tx) => {
    const gone = await takeIdentity(tx, owner, upstreamId)
    await endWhatCameOf(tx, gone, { accountId: owner }, now, origin)
  })
}

async function takeIdentity(tx: Database, owner: string, upstreamId: string): Promise<Identity> {
  const ofUpstream = tx.select({ issuer: upstreams.issuer }).from(upstreams).where(eq(upstreams.id, upstreamId))
  const [gone] = await tx
    .delete(upstreamIdentities)
    .where(and(eq(accountId, owner), inArray(issuer, ofUpstream)))
    .returning({ issuer, subject })
  if (gone === undefined) throw new NotFound('That is not linked.')
  return gone
}

async function endWhatCameOf(
  tx: Database,
  gone: Identity,
  of: { readonly accountId: string; readonly allBut?: string },
  now: Date,
  origin: Origin,
): Promise<void> {
  const whose = { kind: 'account', id: of.accountId } as const
  await record(tx, { type: 'identity.unlink', ...origin, subject: whose, details: { ...gone } })
  await endUpstreamSessions(tx, { issuer: gone.issuer, ...of }, now, origin)
}

/** The upstreams there are, and which of them an account is linked at. */
export function listLinkedUpstreams(db: Database, owner: string): Promise<LinkedUpstream[]> {
  return db
    .select({ id: upstreams.id, name: upstreams.name, sub: subject, linkedAt: createdAt })
    .from(upstreams)
    .leftJoin(upstreamIdentities, and(eq(issuer, upstreams.issuer), eq(accountId, owner)))
    .orderBy(asc(upstreams.createdAt), asc(upstreams.id))
}

/** An identity of an account as an administrator sees it; without the upstream's names when that is not there any more. */
export interface LinkedIdentity {
  readonly upstream: string | null
  readonly name: string | null
  readonly issuer: string
  readonly sub: string
  readonly linkedAt: Date
}

/** The identities of an account, the oldest first, those at upstreams that were deleted too. */
export function listIdentities(db: Database, owner: string): Promise<LinkedIdentity[]> {
  return db
    .select({ upstream: upstreams.id, name: upstreams.name, issuer, sub: subject, linkedAt: createdAt })
    .from(upstreamIdentities)
    .leftJoin(upstreams, eq(upstreams.issuer, issuer))
    .where(eq(accountId, owner))
    .orderBy(asc(createdAt), asc(issuer))
}

/** Whether a password leads to an account. */
export async function hasPassword(db: Database, owner: string): Promise<boolean> {
  const [account] = await db.select({ hash: accounts.passwordHash }).from(accounts).where(eq(accounts.id, owner))
  return account?.hash != null
}
