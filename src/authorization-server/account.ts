import type { FindAccount } from 'oidc-provider'
import { findAccount } from '../accounts/accounts.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/**
 * Finds the account of a code, token or session. A disabled one is not found, which ends the use of
 * all it ever got. Its claims are those of OpenID Connect Core 5.4 that we hold.
 */
export function createAccountFinder(work: UnitOfWork): FindAccount {
  return async (_ctx, id) => {
    const account = await findAccount(work.db, id)
    if (account === undefined) return undefined
    return {
      accountId: account.id,
      role: account.role,
      claims: async () => ({
        sub: account.id,
        email: account.email,
        email_verified: false,
        ...(account.name === null ? {} : { name: account.name }),
      }),
    }
  }
}
