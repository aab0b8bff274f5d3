import { and, eq, sql } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { clients, providerModels } from '../database/schema.ts'
import { InvalidCredential } from '../errors.ts'
import type { Client } from './clients.ts'
import { DEFAULT_REGISTRATIONS } from './initial-access-tokens.ts'
import { requireRoom } from './quota.ts'

type Described = Omit<Client, 'createdAt'>

/**
 * Stores a client that registers itself (RFC 7591 3.1), in a transaction.
 * @param initialAccessToken the digest of the token it registers with
 * @throws {InvalidCredential} when that has registered as many as it may, also at this moment
 * @throws {TooManyClients} when there are as many as there may be
 */
export async function registerClient(
  tx: Database,
  client: Described,
  { most, initialAccessToken, ...origin }: Origin & { most: number; initialAccessToken: string | undefined },
): Promise<void> {
  if (initialAccessToken !== undefined) await countRegistration(tx, initialAccessToken)
  await requireRoom(tx, most)
  await tx.insert(clients).values(client)
  await record(tx, { type: 'client.register', ...origin, clientId: client.id, details: { type: client.type } })
}

async function countRegistration(tx: Database, token: string): Promise<void> {
  const { payload } = providerModels
  const made = sql`coalesce((${payload}->>'clients')::int, 0)`
  const counted = await tx
    .update(providerModels)
    .set({ payload: sql`(${payload}::jsonb || jsonb_build_object('clients', ${made} + 1))::json` })
    .where(
      and(
        eq(providerModels.model, 'InitialAccessToken'),
        eq(providerModels.id, token),
        sql`${made} < coalesce((${payload}->>'most')::int, ${DEFAULT_REGISTRATIONS})`,
      ),
    )
    .returning({ id: providerModels.id })
  if (counted.length === 0) throw new InvalidCredential('the initial access token has registered as many as it may')
}

/**
 * Replaces the metadata of a client that manages itself (RFC 7592 2.2), in a transaction. The registration access token
 * is used up: of two updates at a time one wins.
 * @param registrationAccessToken its digest
 * @throws {InvalidCredential} when that was used, or the client is gone
 */
export async function updateRegistration(
  tx: Database,
  { usedAt: _, ...client }: Described,
  { registrationAccessToken, now, ...origin }: Origin & { registrationAccessToken: string; now: Date },
): Promise<void> {
  const used = await tx
    .delete(providerModels)
    .where(
      and(
        eq(providerModels.model, 'RegistrationAccessToken'),
        eq(providerModels.id, registrationAccessToken),
        eq(providerModels.clientId, client.id),
      ),
    )
    .returning({ id: providerModels.id })
  const updated = await tx
    .update(clients)
    .set(client)
    .where(and(eq(clients.id, client.id), eq(clients.dynamic, true)))
    .returning({ id: clients.id })
  if (used.length === 0 || updated.length === 0) throw new InvalidCredential('the registration access token was used')
  await announce(tx, [`client ${client.id}`], now, false)
  await record(tx, { type: 'client.update', ...origin, clientId: client.id, details: { type: client.type } })
}
