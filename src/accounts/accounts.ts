import { randomUUID } from 'node:crypto'
import { and, eq, isNull, sql } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { accounts } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { Conflict, InvalidRequest, NotFound } from '../errors.ts'
import { makeOpaqueToken } from '../secrets/opaque-token.ts'
import { hashPassword } from '../secrets/password.ts'
import { requireGoodPassword } from './password-rules.ts'

export const ROLES = ['user', 'admin', 'service'] as const
export type Role = (typeof ROLES)[number]

/** Whether a value is a role. */
export const isRole = (value: unknown): value is Role => ROLES.some((role) => role === value)

/** Our record of a resource owner (RFC 6749 1.1), without its password. */
export interface Account {
  readonly id: string
  readonly email: string
  readonly name: string | null
  readonly role: Role
  readonly createdAt: Date
}

export interface NewAccount {
  readonly email: string
  readonly password: string
  readonly name?: string | undefined
  readonly role?: Role | undefined
  /** The host people know the service by, which makes no good password. */
  readonly host?: string | undefined
}

/** What somebody is told who registers an e-mail that has an account. */
const REFUSED = 'registration_refused'

/** What an {@link Account} is selected by. */
export const ACCOUNT_COLUMNS = {
  id: accounts.id,
  email: accounts.email,
  name: accounts.name,
  role: accounts.role,
  createdAt: accounts.createdAt,
}

const byId = statement((db) =>
  db
    .select(ACCOUNT_COLUMNS)
    .from(accounts)
    .where(and(eq(accounts.id, sql.placeholder('id')), isNull(accounts.disabledAt)))
    .prepare('find_account'),
)

/** The account, unless there is none or it is disabled. */
export async function findAccount(db: Database, id: string): Promise<Account | undefined> {
  if (!UUID.test(id)) return undefined
  return (await byId(db).execute({ id }))[0]
}

/**
 * Makes sure that there is an account, disabled or not.
 * @throws {NotFound}
 */
export async function requireAccount(db: Database, id: string): Promise<void> {
  const found = UUID.test(id) && (await db.$count(accounts, eq(accounts.id, id))) === 1
  if (!found) throw new NotFound('There is no such account.')
}

/**
 * Makes an account.
 * @throws {InvalidRequest} when the e-mail or the password will not do
 * @throws {Conflict} when the e-mail has an account; the text does not say so
 */
export async function createAccount(db: Database, input: NewAccount, origin: Origin = {}): Promise<Account> {
  return insertAccount(db, input, await hashNewPassword(input), origin)
}

/**
 * What is kept of the password of a new account; apart from {@link insertAccount}, because it takes longer than a
 * transaction should. A service has keys, and may do without: then nobody knows it.
 * @throws {InvalidRequest} when the e-mail or the password will not do, or a person has none
 * @throws {Overloaded} when too many passwords are hashed at once
 */
export async function hashNewPassword(input: Omit<NewAccount, 'password'> & { password?: string }): Promise<string> {
  requireEmail(input.email)
  const { password, role } = input
  if (password === undefined && role !== 'service') throw new InvalidRequest('A person needs a first password.')
  if (password !== undefined) await requireGoodPassword(password, input)
  return hashPassword(password ?? makeOpaqueToken())
}

/**
 * Makes an account to which no password leads, for who signs in at an upstream provider.
 * @throws {InvalidRequest} when the e-mail will not do
 * @throws {Conflict} when it has an account; the text does not say so
 */
export async function createAccountWithoutPassword(
  db: Database,
  input: Pick<NewAccount, 'email' | 'name'>,
  origin: Origin,
): Promise<Account> {
  requireEmail(input.email)
  return insertAccount(db, input, null, origin)
}

/**
 * Stores a new account.
 * @throws {Conflict} when the e-mail has an account; the text does not say so
 */
export async function insertAccount(
  db: Database,
  input: Omit<NewAccount, 'password'>,
  passwordHash: string | null,
  origin: Origin = {},
): Promise<Account> {
  const account = await db.transaction(async (tx) => {
    const [inserted] = await tx
      .insert(accounts)
      .values({
        id: randomUUID(),
        email: input.email.trim(),
        emailKey: emailKey(input.email),
        name: input.name?.trim() || null,
        role: input.role ?? 'user',
        passwordHash,
      })
      .onConflictDoNothing({ target: accounts.emailKey })
      .returning(ACCOUNT_COLUMNS)
    // Written down in either case, so that both take the same time (ASVS V6.3.8).
    await record(tx, {
      type: 'account.create',
      ...origin,
      ...(inserted === undefined
        ? { outcome: 'failure', details: { reason: REFUSED } }
        : { subject: { kind: 'account', id: inserted.id }, details: { role: inserted.role } }),
    })
    return inserted
  })
  if (account === undefined) {
    throw new Conflict(REFUSED, 'An account cannot be made with these details. If you have one already, sign in.')
  }
  return account
}

/** Whether there is an administrator yet. */
export async function hasAdministrator(db: Database): Promise<boolean> {
  const rows = await db.select({ id: accounts.id }).from(accounts).where(eq(accounts.role, 'admin')).limit(1)
  return rows.length > 0
}

/** An e-mail as it is compared: without spaces around, in one Unicode form and one case. */
export function emailKey(email: string): string {
  return email.trim().normalize('NFKC').toLowerCase()
}

function requireEmail(email: string): void {
  const key = emailKey(email)
  if (key.length > 254 || !/^[^\s@\p{Cc}]{1,64}@[^\s@\p{Cc}]+\.[^\s@.\p{Cc}]+$/u.test(key)) {
    throw new InvalidRequest('That is not an e-mail address.')
  }
}
