import { randomUUID } from 'node:crypto'
import { and, asc, eq, isNull } from 'drizzle-orm'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { requireAccount } from '../accounts/accounts.ts'
import { type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { accounts } from '../database/schema.ts'
import { Conflict, InvalidRequest, NotFound } from '../errors.ts'
import { assertionKeyProblem } from '../keys/public-jwk.ts'
import { accountKeys } from './schema.ts'

/** How many keys an account may have. */
const MOST_KEYS = 20
const KID = /^[\x21-\x7e]{1,128}$/

/** A public key by which a service account signs assertions. */
export type AccountKey = typeof accountKeys.$inferSelect

/**
 * Adds a public key to a service account. Its `kid` is the one of the JWK, else its thumbprint (RFC 7638).
 * @throws {NotFound} when there is no such account
 * @throws {InvalidRequest} when the account is of another role, or the JWK no public key that assertions are signed for
 * @throws {Conflict} when the account has a key of that name, or as many as it may
 */
export async function addAccountKey(
  db: Database,
  accountId: string,
  jwk: JWK,
  now: Date,
  origin: Origin = {},
): Promise<AccountKey> {
  await requireAccount(db, accountId)
  const problem = await assertionKeyProblem(jwk)
  if (problem !== undefined) throw new InvalidRequest(`That JWK ${problem}.`)
  const kid = jwk.kid ?? (await calculateJwkThumbprint(jwk))
  if (!KID.test(kid)) throw new InvalidRequest('The kid of a key has up to 128 visible ASCII characters.')
  return db.transaction(async (tx) => {
    const isAccount = eq(accounts.id, accountId)
    const [account] = await tx.select({ role: accounts.role }).from(accounts).where(isAccount).for('no key update')
    if (account?.role !== 'service') throw new InvalidRequest('Keys are for accounts of the role service.')
    if ((await tx.$count(accountKeys, eq(accountKeys.accountId, accountId))) >= MOST_KEYS) {
      throw new Conflict('too_many_keys', `An account has at most ${MOST_KEYS} keys. Remove one first.`)
    }
    const [key] = await tx
      .insert(accountKeys)
      .values({ id: randomUUID(), accountId, kid, publicJwk: { ...jwk }, createdAt: now })
      .onConflictDoNothing()
      .returning()
    if (key === undefined) throw new Conflict('key_exists', 'The account has a key of that name already.')
    await record(tx, { ...event('account_key.add', key), ...origin })
    return key
  })
}

/**
 * Removes a key; what was got by it is refused from the next request on.
 * @throws {NotFound}
 */
export async function removeAccountKey(
  db: Database,
  accountId: string,
  kid: string,
  now: Date,
  origin: Origin = {},
): Promise<void> {
  if (!UUID.test(accountId)) throw new NotFound('There is no such account.')
  await db.transaction(async (tx) => {
    const isKey = and(eq(accountKeys.accountId, accountId), eq(accountKeys.kid, kid))
    const [key] = await tx.delete(accountKeys).where(isKey).returning()
    if (key === undefined) throw new NotFound('There is no such key.')
    await announce(tx, [`account_key ${key.id}`], now)
    await record(tx, { ...event('account_key.remove', key), ...origin })
  })
}

/** The keys of an account, the oldest first. */
export function listAccountKeys(db: Database, accountId: string): Promise<AccountKey[]> {
  return db
    .select()
    .from(accountKeys)
    .where(eq(accountKeys.accountId, accountId))
    .orderBy(asc(accountKeys.createdAt), asc(accountKeys.id))
}

/** The key of this name of an account that is a service and not disabled. */
export async function findAccountKey(db: Database, accountId: string, kid: string): Promise<AccountKey | undefined> {
  if (!UUID.test(accountId) || !KID.test(kid)) return undefined
  const isService = and(eq(accounts.role, 'service'), isNull(accounts.disabledAt))
  const [found] = await db
    .select({ key: accountKeys })
    .from(accountKeys)
    .innerJoin(accounts, and(eq(accounts.id, accountKeys.accountId), isService))
    .where(and(eq(accountKeys.accountId, accountId), eq(accountKeys.kid, kid)))
  return found?.key
}

const event = (type: string, { id, accountId, kid }: AccountKey) =>
  ({ type, subject: { kind: 'account', id: accountId }, details: { key: id, kid } }) as const
