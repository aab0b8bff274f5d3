import { and, eq, exists, isNotNull, isNull, ne, or, sql } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { accounts } from '../database/schema.ts'
import { Conflict, NotFound } from '../errors.ts'
import { noteSignedOut } from '../sessions/sign-ons.ts'
import { upstreamIdentities, upstreams } from '../upstreams/schema.ts'
import type { Role } from './accounts.ts'
import { LISTED_COLUMNS, type ListedAccount } from './directory.ts'

/** Any constant, as long as nothing else in the database locks the same one. */
const ADMINISTRATORS_LOCK = 6_749_011

/** What is to be another; what is left out stays. */
export interface AccountChange {
  readonly name?: string | null | undefined
  readonly role?: Role | undefined
  readonly disabled?: boolean | undefined
}

export interface ChangeConditions {
  /** Told of the account as it is, before anything changes; throws when it is not as the caller knows it. */
  readonly expect?: (before: ListedAccount) => void
  /** Whether the change is refused that would leave no administrator who can sign in. */
  readonly keepsAdministrator?: boolean
}

/**
 * Changes an account. With another role its credentials of every kind can do more or less from the next request on. While it
 * is disabled all it ever got is refused: sign-in, sessions, codes, tokens, API keys; applications that want it are told.
 * @throws {NotFound}
 * @throws {Conflict} when it is the last administrator who can sign in
 * @throws what `expect` throws
 */
export async function changeAccount(
  db: Database,
  id: string,
  change: AccountChange,
  now: Date,
  origin: Origin = {},
  { expect, keepsAdministrator = false }: ChangeConditions = {},
): Promise<ListedAccount> {
  if (!UUID.test(id)) throw new NotFound('There is no such account.')
  return db.transaction(async (tx) => {
    const mayEnd = change.disabled === true || (change.role ?? 'admin') !== 'admin'
    // Before the row, so that of two administrators who end each other's role at once one waits for the other.
    if (keepsAdministrator && mayEnd)
      await tx.execute(sql`select pg_advisory_xact_lock(${ADMINISTRATORS_LOCK}::bigint)`)
    const isIt = eq(accounts.id, id)
    const [before] = await tx.select(LISTED_COLUMNS).from(accounts).where(isIt).for('no key update')
    if (before === undefined) throw new NotFound('There is no such account.')
    expect?.(before)
    const values = differences(before, change, now)
    if (keepsAdministrator && isAdministrator(before) && !isAdministrator({ ...before, ...values })) {
      await requireAnotherAdministrator(tx, id)
    }
    if (Object.keys(values).length === 0) return before
    await tx.update(accounts).set(values).where(isIt)
    const ends = values.role !== undefined || values.disabledAt != null
    await announce(tx, [`account ${id}`], now, ends)
    for (const event of eventsOf(values)) await record(tx, { ...event, ...origin, subject: { kind: 'account', id } })
    if (values.disabledAt != null) await noteSignedOut(tx, id, now)
    return { ...before, ...values }
  })
}

type Values = Partial<Pick<ListedAccount, 'name' | 'role' | 'disabledAt'>>

function differences(before: ListedAccount, { name, role, disabled }: AccountChange, now: Date): Values {
  const newName = name?.trim() || null
  return {
    ...(name === undefined || newName === before.name ? {} : { name: newName }),
    ...(role === undefined || role === before.role ? {} : { role }),
    ...(disabled === undefined || disabled === (before.disabledAt !== null)
      ? {}
      : { disabledAt: disabled ? now : null }),
  }
}

function eventsOf({ name, role, disabledAt }: Values) {
  return [
    ...(name === undefined ? [] : [{ type: 'account.rename' }]),
    ...(role === undefined ? [] : [{ type: 'account.set_role', details: { role } }]),
    ...(disabledAt === undefined ? [] : [{ type: disabledAt === null ? 'account.enable' : 'account.disable' }]),
  ]
}

const isAdministrator = ({ role, disabledAt }: ListedAccount) => role === 'admin' && disabledAt === null

/**
 * Makes sure of another administrator who can sign in: by a password, or at an upstream that there is.
 * @throws {Conflict}
 */
async function requireAnotherAdministrator(tx: Database, id: string): Promise<void> {
  const waysElsewhere = tx
    .select({ issuer: upstreams.issuer })
    .from(upstreamIdentities)
    .innerJoin(upstreams, eq(upstreams.issuer, upstreamIdentities.issuer))
    .where(eq(upstreamIdentities.accountId, accounts.id))
  const canSignIn = or(isNotNull(accounts.passwordHash), exists(waysElsewhere))
  const isAnother = and(eq(accounts.role, 'admin'), isNull(accounts.disabledAt), ne(accounts.id, id), canSignIn)
  const [another] = await tx.select({ id: accounts.id }).from(accounts).where(isAnother).limit(1)
  if (another === undefined) {
    throw new Conflict('last_administrator', 'This is the last administrator. Make another one first.')
  }
}

/**
 * Gives an account another role.
 * @throws {NotFound}
 */
export async function setRole(db: Database, id: string, role: Role, now: Date, origin: Origin = {}): Promise<void> {
  await changeAccount(db, id, { role }, now, origin)
}

/**
 * Disables an account or enables it again.
 * @throws {NotFound}
 */
export async function setDisabled(
  db: Database,
  id: string,
  disabled: boolean,
  now: Date,
  origin: Origin = {},
): Promise<void> {
  await changeAccount(db, id, { disabled }, now, origin)
}
