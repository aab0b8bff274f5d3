import { and, eq, isNotNull } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { clients, providerModels } from '../database/schema.ts'
import { Conflict } from '../errors.ts'
import { removeGrants } from '../grants/grants.ts'
import { digest, makeOpaqueToken } from '../secrets/opaque-token.ts'
import { type Client, holdClient } from './clients.ts'
import { describeClient } from './description.ts'
import type { NewClient } from './new-client.ts'

/**
 * Changes what an operator said of a client. One that has a secret from now on gets it, this once; one that
 * authenticates by something else has none any more. One that is of our own no longer loses what it was granted, which
 * nobody was asked for.
 * @param change what is said of it, of which its type stays; it is given the client as it is, held until it is changed
 * @throws {NotFound} when there is no such client
 * @throws {Conflict} when it registered itself: it changes itself (RFC 7592), and nobody else does
 * @throws what `change` and {@link describeClient} throw
 */
export async function changeClient(
  db: Database,
  id: string,
  change: (before: Client) => NewClient,
  now: Date,
  origin: Origin = {},
): Promise<{ client: Client; secret?: string }> {
  return db.transaction(async (tx) => {
    const before = await holdClient(tx, id)
    if (before.dynamic) throw new Conflict('client_is_dynamic', 'A client that registered itself changes itself.')
    const { columns, hasSecret } = await describeClient({ ...change(before), type: before.type })
    const secret = hasSecret && before.secretDigest === null ? makeOpaqueToken() : undefined
    const secretDigest = hasSecret ? (before.secretDigest ?? digest(secret ?? '')) : null
    const [client] = await tx
      .update(clients)
      .set({ ...columns, secretDigest })
      .where(eq(clients.id, id))
      .returning()
    if (client === undefined) throw new Error('the client was not held')
    await announce(tx, [`client ${id}`], now, client.role !== before.role)
    const isGranted = and(eq(providerModels.clientId, id), isNotNull(providerModels.grantId))
    if (before.firstParty && !client.firstParty) await removeGrants(tx, isGranted, now)
    const changed = (Object.keys(before) as (keyof Client)[]).filter(
      (name) => JSON.stringify(client[name]) !== JSON.stringify(before[name]),
    )
    await record(tx, { type: 'client.update', ...origin, clientId: id, details: { changed, role: client.role } })
    return secret === undefined ? { client } : { client, secret }
  })
}
