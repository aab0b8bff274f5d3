import { and, eq } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { clients } from '../database/schema.ts'
import { InvalidRequest, NotFound } from '../errors.ts'
import type { ClientRole, ClientType } from './new-client.ts'

/**
 * Only a machine acts on its own behalf, so only one can be an administrator.
 * @throws {InvalidRequest}
 */
export function requireClientRole(role: ClientRole | undefined, type: ClientType): void {
  if (role === 'admin' && type !== 'machine') throw new InvalidRequest('Only a machine client can be an administrator.')
}

/**
 * Gives a machine client another role; its tokens can do more or less from the next request on.
 * @throws {NotFound} when there is no such client, or it is no machine
 */
export async function setClientRole(
  db: Database,
  id: string,
  role: ClientRole,
  now: Date,
  origin: Origin = {},
): Promise<void> {
  await db.transaction(async (tx) => {
    const isMachine = and(eq(clients.id, id), eq(clients.type, 'machine'))
    const [changed] = await tx.update(clients).set({ role }).where(isMachine).returning({ id: clients.id })
    if (changed === undefined) throw new NotFound('There is no such machine client.')
    await announce(tx, [`client ${id}`], now)
    await record(tx, { type: 'client.set_role', ...origin, clientId: id, details: { role } })
  })
}
