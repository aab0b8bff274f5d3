import { sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { createOutbox } from '../database/outbox.ts'
import { logoutNotices } from './schema.ts'

const DAY_MS = 24 * 60 * 60 * 1000

export type LogoutNotice = typeof logoutNotices.$inferSelect

/** What clients were given in a single sign-on, by client: the `sid` that their ID tokens name it by. */
export type Notified = Readonly<Record<string, { readonly sid?: string | undefined }>>

/** The sign-outs that clients are to be told of; each is given up after a day. */
export const logoutOutbox = createOutbox(logoutNotices, ({ id, accountId, clientId }) => ({
  type: 'logout.notify',
  subject: { kind: 'account', id: accountId },
  clientId,
  details: { notice: id },
}))

/** Has the clients of a single sign-on that want it told that it is over, once the transaction is committed. */
export async function noteSignOut(tx: Database, accountId: string, clients: Notified, now: Date): Promise<void> {
  const asked = Object.entries(clients).map(([id, { sid }]) => ({ id, sid }))
  if (asked.length === 0) return
  await tx.execute(sql`
    insert into logout_notices (client_id, account_id, sid, next_attempt_at, give_up_at)
    select clients.id, accounts.id, asked.sid, ${now.toISOString()}::timestamptz,
      ${new Date(now.getTime() + DAY_MS).toISOString()}::timestamptz
    from json_to_recordset(${JSON.stringify(asked)}::json) as asked (id text, sid text)
      inner join clients on clients.id = asked.id and clients.metadata ->> 'backchannel_logout_uri' is not null
      inner join accounts on accounts.id::text = ${accountId}`)
}
