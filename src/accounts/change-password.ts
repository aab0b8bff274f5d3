import { eq } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { accounts } from '../database/schema.ts'
import { hashPassword } from '../secrets/password.ts'
import { endOtherSessions } from '../sessions/sessions.ts'
import { type AuthenticatedAccount, requireSamePassword } from './authentication.ts'
import { requireGoodPassword } from './password-rules.ts'

export interface PasswordChange {
  readonly newPassword: string
  /** The session that goes on; all others of the account end (ASVS V7.4.3). */
  readonly sessionId: string
  /** The host people know the service by. */
  readonly host: string
  /** Ends what else depends on a sign-in, in the same transaction. */
  readonly endOthers: (tx: Database) => Promise<void>
}

/**
 * Gives an account another password. Who asks has proven to know the one before (ASVS V6.2.3). API keys and what
 * the account has allowed to applications for good stay: they have ends and lists of their own.
 * @throws {InvalidRequest} when the password will not do
 * @throws {InvalidSignIn} when the one before was changed meanwhile
 * @throws {Overloaded} when too many passwords are hashed at once
 */
export async function changePassword(
  db: Database,
  account: AuthenticatedAccount,
  { newPassword, sessionId, host, endOthers }: PasswordChange,
  now: Date,
  origin: Origin,
): Promise<void> {
  await requireGoodPassword(newPassword, { email: account.email, name: account.name, host })
  const passwordHash = await hashPassword(newPassword)
  await db.transaction(async (tx) => {
    await requireSamePassword(tx, account)
    await tx.update(accounts).set({ passwordHash }).where(eq(accounts.id, account.id))
    await record(tx, { type: 'account.change_password', ...origin, subject: { kind: 'account', id: account.id } })
    await endOtherSessions(tx, account.id, sessionId, now, origin)
    await endOthers(tx)
  })
}
