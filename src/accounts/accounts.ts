import { randomUUID } from 'node:crypto'
import { and, asc, eq, gt, isNull, or, sql } from 'drizzle-orm'
import { type AuditEvent, type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { accounts } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { Conflict, InvalidRequest, InvalidSignIn, NotFound } from '../errors.ts'
import { hashPassword, isOutdated, verifyPassword } from '../secrets/password.ts'

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
  readonly role?: Role
}

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

const byEmail = statement((db) =>
  db
    .select({ ...ACCOUNT_COLUMNS, passwordHash: accounts.passwordHash, disabledAt: accounts.disabledAt })
    .from(accounts)
    .where(eq(accounts.emailKey, sql.placeholder('emailKey')))
    .prepare('find_account_by_email'),
)

/** The account, unless there is none or it is disabled. */
export async function findAccount(db: Database, id: string): Promise<Account | undefined> {
  if (!UUID.test(id)) return undefined
  return (await byId(db).execute({ id }))[0]
}

/**
 * Makes an account.
 * @throws {InvalidRequest} when the e-mail or the password will not do
 * @throws {Conflict} when the e-mail has an account; the text does not say so
 */
export async function createAccount(db: Database, input: NewAccount, origin: Origin = {}): Promise<Account> {
  requireEmail(input.email)
  requirePassword(input)
  const passwordHash = await hashPassword(input.password)
  return db.transaction(async (tx) => {
    const [account] = await tx
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
    if (account === undefined) {
      throw new Conflict(
        'registration_refused',
        'An account cannot be made with these details. If you have one already, sign in.',
      )
    }
    await record(tx, {
      type: 'account.create',
      ...origin,
      subject: { kind: 'account', id: account.id },
      details: { role: account.role },
    })
    return account
  })
}

/**
 * The account an e-mail and a password belong to. Takes the same time whether or not the e-mail
 * is known, and the answer is the same for a wrong password and a disabled account.
 * @throws {InvalidSignIn}
 */
export async function authenticateAccount(db: Database, email: string, password: string): Promise<Account> {
  const [found] = await byEmail(db).execute({ emailKey: emailKey(email) })
  const usable = found !== undefined && found.disabledAt === null ? found : undefined
  const matches = await verifyPassword(usable?.passwordHash, password)
  if (usable === undefined || !matches) throw new InvalidSignIn(found?.id)
  const { passwordHash, disabledAt: _, ...account } = usable
  if (isOutdated(passwordHash)) {
    await db
      .update(accounts)
      .set({ passwordHash: await hashPassword(password) })
      .where(eq(accounts.id, account.id))
  }
  return account
}

/**
 * Gives an account another role; its credentials of every kind can do more or less from the next request on.
 * @throws {NotFound}
 */
export async function setRole(db: Database, id: string, role: Role, now: Date, origin: Origin = {}): Promise<void> {
  await changeAccount(db, id, { role }, { type: 'account.set_role', ...origin, details: { role } }, now)
}

/**
 * Disables an account or enables it again. While it is disabled all it ever got is refused: sign-in,
 * sessions, codes, tokens, API keys.
 * @throws {NotFound}
 */
export async function setDisabled(
  db: Database,
  id: string,
  disabled: boolean,
  now: Date,
  origin: Origin = {},
): Promise<void> {
  const type = disabled ? 'account.disable' : 'account.enable'
  await changeAccount(db, id, { disabledAt: disabled ? now : null }, { type, ...origin }, now)
}

async function changeAccount(
  db: Database,
  id: string,
  change: { role?: Role; disabledAt?: Date | null },
  event: AuditEvent,
  now: Date,
): Promise<void> {
  if (!UUID.test(id)) throw new NotFound('There is no such account.')
  await db.transaction(async (tx) => {
    const [changed] = await tx.update(accounts).set(change).where(eq(accounts.id, id)).returning({ id: accounts.id })
    if (changed === undefined) throw new NotFound('There is no such account.')
    await announce(tx, [`account ${id}`], now)
    await record(tx, { ...event, subject: { kind: 'account', id } })
  })
}

/** Whether there is an administrator yet. */
export async function hasAdministrator(db: Database): Promise<boolean> {
  const rows = await db.select({ id: accounts.id }).from(accounts).where(eq(accounts.role, 'admin')).limit(1)
  return rows.length > 0
}

/** A page of accounts in the order they were made, after the one given. */
export function listAccounts(db: Database, limit: number, after?: { createdAt: Date; id: string }): Promise<Account[]> {
  return db
    .select(ACCOUNT_COLUMNS)
    .from(accounts)
    .where(
      after &&
        or(
          gt(accounts.createdAt, after.createdAt),
          and(eq(accounts.createdAt, after.createdAt), gt(accounts.id, after.id)),
        ),
    )
    .orderBy(asc(accounts.createdAt), asc(accounts.id))
    .limit(limit)
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

function requirePassword({ email, password }: NewAccount): void {
  if (password.toLowerCase().includes(emailKey(email))) {
    throw new InvalidRequest('The password must not contain the e-mail.')
  }
  if (new Set(password).size < 4 || /gatehouse/i.test(password)) {
    throw new InvalidRequest('The password is too easy to guess.')
  }
}
