import { and, eq, sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { accounts } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { InvalidSignIn } from '../errors.ts'
import { hashPassword, isOutdated, verifyPassword } from '../secrets/password.ts'
import { Overloaded } from '../secrets/work-queue.ts'
import { ACCOUNT_COLUMNS, type Account, emailKey } from './accounts.ts'

const byEmail = statement((db) =>
  db
    .select({ ...ACCOUNT_COLUMNS, passwordHash: accounts.passwordHash, disabledAt: accounts.disabledAt })
    .from(accounts)
    .where(eq(accounts.emailKey, sql.placeholder('emailKey')))
    .prepare('find_account_by_email'),
)

/** An account whose password was given, with what that was compared with. */
export interface AuthenticatedAccount extends Account {
  readonly passwordHash: string
}

/**
 * The account an e-mail and a password belong to. Takes the same time whether or not the e-mail
 * is known, and the answer is the same for a wrong password and a disabled account.
 * @throws {InvalidSignIn}
 * @throws {Overloaded} when too many passwords are compared at once
 */
export async function authenticateAccount(
  db: Database,
  email: string,
  password: string,
): Promise<AuthenticatedAccount> {
  const [found] = await byEmail(db).execute({ emailKey: emailKey(email) })
  const passwordHash = found?.disabledAt === null ? found.passwordHash : null
  const matches = await verifyPassword(passwordHash ?? undefined, password)
  if (found === undefined || passwordHash === null || !matches) throw new InvalidSignIn(found?.id)
  const { disabledAt: _, ...rest } = found
  const account = { ...rest, passwordHash }
  if (!isOutdated(passwordHash)) return account
  return { ...account, passwordHash: await rehash(db, account, password) }
}

/**
 * Holds an account, in a transaction, to the password that was given: one that is changed while the one before is
 * compared, or waits to be, lets nobody in any more.
 * @throws {InvalidSignIn}
 */
export async function requireSamePassword(tx: Database, { id, passwordHash }: AuthenticatedAccount): Promise<void> {
  const isSame = and(eq(accounts.id, id), eq(accounts.passwordHash, passwordHash))
  const [same] = await tx.select({ id: accounts.id }).from(accounts).where(isSame).for('share')
  if (same === undefined) throw new InvalidSignIn(id)
}

/** Under load it waits for the next sign-in; a password that was changed meanwhile stays changed. */
async function rehash(db: Database, account: AuthenticatedAccount, password: string): Promise<string> {
  try {
    const passwordHash = await hashPassword(password)
    await db
      .update(accounts)
      .set({ passwordHash })
      .where(and(eq(accounts.id, account.id), eq(accounts.passwordHash, account.passwordHash)))
    return passwordHash
  } catch (error) {
    if (!(error instanceof Overloaded)) throw error
    return account.passwordHash
  }
}
