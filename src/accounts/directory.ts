import { and, eq } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { keyset, type Place } from '../database/keyset.ts'
import { accounts } from '../database/schema.ts'
import { NotFound } from '../errors.ts'
import { ACCOUNT_COLUMNS, type Account, emailKey, type Role } from './accounts.ts'

/** An account as administrators see it: disabled or not. */
export interface ListedAccount extends Account {
  readonly disabledAt: Date | null
}

export const LISTED_COLUMNS = { ...ACCOUNT_COLUMNS, disabledAt: accounts.disabledAt }

/** Which accounts; all that are given must fit. */
export interface AccountFilter {
  /** As it is compared, whole. */
  readonly email?: string | undefined
  readonly role?: Role | undefined
}

const inOrder = keyset(accounts.createdAt, accounts.id)

/** A page of accounts in the order they were made, after the one given. */
export function listAccounts(
  db: Database,
  { email, role }: AccountFilter,
  limit: number,
  after?: Place,
): Promise<ListedAccount[]> {
  const hasEmail = email === undefined ? undefined : eq(accounts.emailKey, emailKey(email))
  const hasRole = role === undefined ? undefined : eq(accounts.role, role)
  return db
    .select(LISTED_COLUMNS)
    .from(accounts)
    .where(and(hasEmail, hasRole, inOrder.after(after)))
    .orderBy(...inOrder.order)
    .limit(limit)
}

/**
 * The account of an identifier, disabled or not.
 * @throws {NotFound}
 */
export async function readAccount(db: Database, id: string): Promise<ListedAccount> {
  const found = UUID.test(id) ? await db.select(LISTED_COLUMNS).from(accounts).where(eq(accounts.id, id)) : []
  if (found[0] === undefined) throw new NotFound('There is no such account.')
  return found[0]
}
