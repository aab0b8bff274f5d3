import { eq } from 'drizzle-orm'
import t from 'tap'
import { deleteUnusedClients } from '../../src/clients/unused.ts'
import { createExpiry } from '../../src/database/expiry.ts'
import { auditEvents, clients, providerModels } from '../../src/database/schema.ts'
import { authorize, makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { whileFailing } from '../fixtures/fault.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { clientPost, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const { db } = server
const DAY_MS = 24 * 60 * 60 * 1000
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS)

/** Registers a client; says that it did so, and was last used, so many days ago. */
async function made(registeredDays: number, usedDays?: number) {
  const response = await register(server, { client_name: 'Meadow', redirect_uris: [REDIRECT_URI] })
  const client = (await response.json()) as Record<string, string>
  const id = client.client_id ?? ''
  const usedAt = usedDays === undefined ? null : daysAgo(usedDays)
  await db
    .update(clients)
    .set({ createdAt: daysAgo(registeredDays), usedAt })
    .where(eq(clients.id, id))
  return { id, secret: client.client_secret, token: client.registration_access_token ?? '' }
}

const isThere = async ({ id }: { id: string }) => (await db.$count(clients, eq(clients.id, id))) === 1
const collect = (days: number) => deleteUnusedClients(db, days, new Date())

t.test('of clients that registered themselves, those that nobody uses go (RFC 7591 5)', async (t) => {
  const operators = await makeClient(server)
  await db
    .update(clients)
    .set({ createdAt: daysAgo(400) })
    .where(eq(clients.id, operators.id))
  const never = await made(91)
  const young = await made(89)
  const used = await made(400, 89)
  const left = await made(400, 91)
  t.equal(await collect(90), 2)
  for (const [client, stays] of [
    [operators, true],
    [never, false],
    [young, true],
    [used, true],
    [left, false],
  ] as const) {
    t.equal(await isThere(client), stays)
  }
  t.equal(await db.$count(auditEvents, eq(auditEvents.type, 'client.delete')), 2)
})

t.test('one that was allowed something stays as long as that lasts, whatever the setting', async (t) => {
  const client = await made(0)
  const { configuration } = await makeClient(server)
  const app = { ...client, redirectUri: REDIRECT_URI, configuration }
  const { code } = await authorize(server, app, await makePerson(server), { parameters: { client_id: client.id } })
  t.ok(code)
  const [row] = await db.select().from(clients).where(eq(clients.id, client.id))
  t.ok(row?.usedAt, 'a consent is its use')
  await db
    .update(clients)
    .set({ createdAt: daysAgo(40), usedAt: daysAgo(29) })
    .where(eq(clients.id, client.id))
  await collect(1)
  t.ok(await isThere(client))
  await db
    .update(clients)
    .set({ usedAt: daysAgo(32) })
    .where(eq(clients.id, client.id))
  t.equal(await collect(1), 1)
})

t.test('what managed it goes too, and no process knows it any more', async (t) => {
  const client = await made(91)
  const ask = () => clientPost(server, '/oauth/introspect', client, { token: 'x' })
  t.equal((await ask()).status, 200)
  t.equal(await collect(90), 1)
  t.equal((await ask()).status, 401)
  const headers = bearer(client.token)
  t.equal((await server.fetch(`/oauth/register/${client.id}`, { headers })).status, 401)
  t.equal(await db.$count(providerModels, eq(providerModels.clientId, client.id)), 0)
})

t.test('a batch is whole or nothing, and the next run does the rest', async (t) => {
  const some = await Promise.all(Array.from({ length: 3 }, () => made(91)))
  const fault = { table: 'audit_events', when: `new.type = 'client.delete'` } as const
  await t.rejects(whileFailing(db, fault, () => collect(90)))
  for (const client of some) t.ok(await isThere(client))
  const headers = bearer(some[0]?.token ?? '')
  t.equal((await server.fetch(`/oauth/register/${some[0]?.id}`, { headers })).status, 200, 'and can be managed')
  t.equal(await collect(90), 3)
})

t.test('many go in batches, and none once the end has come', async (t) => {
  const id = (i: number) => `client_${String(i).padStart(32, '0')}`
  const rows = Array.from({ length: 250 }, (_, i) => ({
    ...{ id: id(i), name: 'Meadow', type: 'spa' as const, redirectUris: [REDIRECT_URI], scope: [] },
    ...{ dynamic: true, metadata: {}, createdAt: daysAgo(91) },
  }))
  await db.insert(clients).values(rows)
  t.equal(await deleteUnusedClients(db, 90, new Date(), AbortSignal.abort()), 0)
  const failures: unknown[] = []
  const expiry = createExpiry(
    server.storage,
    (error) => failures.push(error),
    10,
    (now, closing) => deleteUnusedClients(db, 90, now, closing),
  )
  const rest = () => db.$count(clients, eq(clients.name, 'Meadow'))
  const before = await rest()
  t.ok((await eventually(rest, (count) => count <= before - 250, 20_000)) <= before - 250)
  await expiry.close()
  t.strictSame(failures, [])
})
