import { and, eq, isNull, sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { accounts } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { emailKey } from './accounts.ts'

const idByEmail = statement((db) =>
  db
    .select({ id: accounts.id })
    .from(accounts)
    .where(and(eq(accounts.emailKey, sql.placeholder('emailKey')), isNull(accounts.disabledAt)))
    .prepare('find_account_id_by_email'),
)

/** The identifier of the account of an e-mail, unless there is none or it is disabled. */
export async function findIdByEmail(db: Database, email: string): Promise<string | undefined> {
  const [found] = await idByEmail(db).execute({ emailKey: emailKey(email) })
  return found?.id
}
