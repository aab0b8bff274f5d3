import { eq, sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { clients } from '../database/schema.ts'
import { TooManyClients } from '../errors.ts'
import { evictNeverUsed } from './unused.ts'

/**
 * Bounds how many clients there are that no operator made, over all who register them, in a transaction.
 * @throws {TooManyClients} when there are as many as there may be, and none that may go for another
 */
export async function requireRoom(tx: Database, most: number): Promise<void> {
  const some = tx.select({ one: sql`1` }).from(clients).where(eq(clients.dynamic, true)).limit(most).as('some')
  const [row] = await tx.select({ count: sql<number>`count(*)::int` }).from(some)
  if ((row?.count ?? 0) >= most && !(await evictNeverUsed(tx, new Date()))) throw new TooManyClients()
}
