import { randomUUID } from 'node:crypto'
import { and, eq, isNotNull, sql } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { keyset, type Place } from '../database/keyset.ts'
import { clients, providerModels } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { NotFound } from '../errors.ts'
import { digest, makeOpaqueToken } from '../secrets/opaque-token.ts'
import { describeClient } from './description.ts'
import { type ClientType, isConfidential, type NewClient } from './new-client.ts'

export type { ClientType, NewClient }
export { isConfidential }
export type Client = typeof clients.$inferSelect

const byId = statement((db) =>
  db
    .select()
    .from(clients)
    .where(eq(clients.id, sql.placeholder('id')))
    .prepare('find_client'),
)

/** A new client identifier; never of the form of an account's (RFC 9700 4.15). */
export const makeClientId = () => `client_${randomUUID().replaceAll('-', '')}`

/** The client with this identifier. */
export async function findClient(db: Database, id: string): Promise<Client | undefined> {
  if (id.includes('\0')) return undefined
  return (await byId(db).execute({ id }))[0]
}

/**
 * The client with this identifier.
 * @throws {NotFound}
 */
export async function requireClient(db: Database, id: string): Promise<Client> {
  const client = await findClient(db, id)
  if (client === undefined) throw new NotFound('There is no such client.')
  return client
}

/**
 * Registers a client. The secret of a confidential one is returned this once.
 * @throws what {@link describeClient} throws
 */
export async function createClient(
  db: Database,
  asked: NewClient,
  origin: Origin = {},
): Promise<{ client: Client; secret?: string }> {
  const { columns, hasSecret } = await describeClient(asked)
  const secret = hasSecret ? makeOpaqueToken() : undefined
  return db.transaction(async (tx) => {
    const [client] = await tx
      .insert(clients)
      .values({ ...columns, id: makeClientId(), secretDigest: secret && digest(secret) })
      .returning()
    if (client === undefined) throw new Error('the client was not stored')
    await record(tx, {
      type: 'client.create',
      ...origin,
      clientId: client.id,
      details: { type: client.type, role: client.role },
    })
    return secret === undefined ? { client } : { client, secret }
  })
}

const inOrder = keyset(clients.createdAt, clients.id)

/** A page of clients in the order they were made. */
export function listClients(db: Database, limit: number, after?: Place): Promise<Client[]> {
  return db
    .select()
    .from(clients)
    .where(inOrder.after(after))
    .orderBy(...inOrder.order)
    .limit(limit)
}

/** Looks at a client as it is, held until it is changed; what it throws is thrown. */
export type Check = (before: Client) => void

/**
 * A client with its row locked, as a change of it needs it.
 * @throws {NotFound}
 */
export async function holdClient(tx: Database, id: string): Promise<Client> {
  const [client] = id.includes('\0') ? [] : await tx.select().from(clients).where(eq(clients.id, id)).for('update')
  if (client === undefined) throw new NotFound('There is no such client.')
  return client
}

/**
 * Gives a confidential client a new secret; the old one is refused from the next request on.
 * @throws {NotFound} when there is no such client, or it has no secret
 */
export async function rotateClientSecret(db: Database, id: string, now: Date, origin: Origin = {}): Promise<string> {
  const secret = makeOpaqueToken()
  await db.transaction(async (tx) => {
    const [rotated] = await tx
      .update(clients)
      .set({ secretDigest: digest(secret) })
      .where(and(eq(clients.id, id), isNotNull(clients.secretDigest)))
      .returning({ id: clients.id })
    if (rotated === undefined) throw new NotFound('There is no such client with a secret.')
    await announce(tx, [`client ${id}`], now, false)
    await record(tx, { type: 'client.rotate_secret', ...origin, clientId: id })
  })
  return secret
}

/**
 * Deletes a client with all its grants and tokens.
 * @throws {NotFound} when there is no such client
 * @throws what `check` throws
 */
export async function deleteClient(
  db: Database,
  id: string,
  now: Date,
  origin: Origin = {},
  check: Check = () => {},
): Promise<void> {
  await db.transaction(async (tx) => {
    check(await holdClient(tx, id))
    await tx.delete(clients).where(eq(clients.id, id))
    const all = eq(providerModels.clientId, id)
    // The grants first, as whoever issues under them has it.
    await tx.delete(providerModels).where(and(all, eq(providerModels.model, 'Grant')))
    await tx.delete(providerModels).where(all)
    await announce(tx, [`client ${id}`], now)
    await record(tx, { type: 'client.delete', ...origin, clientId: id })
  })
}
