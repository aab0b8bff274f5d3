import { eq } from 'drizzle-orm'
import { decodeJwt } from 'jose'
import t from 'tap'
import { setClientRole } from '../../src/clients/client-role.ts'
import { createClient } from '../../src/clients/clients.ts'
import { clients } from '../../src/database/schema.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { makeClient, type RelyingParty, tokenRequest } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer } from '../fixtures/people.ts'
import { register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const other = await startGatehouse(t, { beside: server })
const OF_ADMINISTRATORS = { type: 'machine', role: 'admin', scope: ['admin:read', 'admin:write'] } as const

async function tokenOf(client: RelyingParty): Promise<string> {
  const response = await tokenRequest(server, client, { grant_type: 'client_credentials' })
  return ((await response.json()) as { access_token: string }).access_token
}

const seesAccounts = async (token: string, at = server) =>
  (await at.fetch('/api/admin/users', { headers: bearer(token) })).status === 200

for (const accessTokenFormat of ['jwt', 'opaque'] as const) {
  t.test(
    `a machine with the role admin is an administrator until the next request: ${accessTokenFormat}`,
    async (t) => {
      const machine = await makeClient(server, { ...OF_ADMINISTRATORS, accessTokenFormat })
      const [token, unseen] = [await tokenOf(machine), await tokenOf(machine)]
      t.ok(await seesAccounts(token))
      t.ok(await seesAccounts(token, other))
      const events = await eventsOf(server.db, () =>
        setClientRole(server.db, machine.id, 'service', new Date(), { actor: { kind: 'operator' } }),
      )
      t.match(events, [{ type: 'client.set_role', clientId: machine.id, details: { role: 'service' } }])
      t.notOk(await seesAccounts(token), 'at once in this process')
      t.notOk(await seesAccounts(unseen))
      t.notOk(
        await eventually(
          () => seesAccounts(token, other),
          (sees) => !sees,
        ),
        'within a second in another',
      )
      const me = await server.fetch('/api/me', { headers: bearer(token) })
      t.match(await me.json(), { role: 'SERVICE', scopes: [] }, 'it is good for nothing of an administrator')

      await setClientRole(server.db, machine.id, 'admin', new Date())
      t.ok(await seesAccounts(token), 'and the other way round')
    },
  )
}

t.test('what a token says is not believed where the database says otherwise', async (t) => {
  const machine = await makeClient(server, OF_ADMINISTRATORS)
  await tokenOf(machine)
  await server.db.update(clients).set({ role: 'service' }).where(eq(clients.id, machine.id))
  const token = await tokenOf(machine)
  t.equal(decodeJwt(token).role, 'admin', 'by a server that has not heard of the change')
  t.notOk(await seesAccounts(token))
})

t.test('a machine is no administrator unless the operator says so; nothing else can be one', async (t) => {
  const machine = await makeClient(server, { ...OF_ADMINISTRATORS, role: undefined })
  t.notOk(await seesAccounts(await tokenOf(machine)))
  for (const type of ['web', 'spa', 'native'] as const) {
    const input = { name: 'An App', type, role: 'admin' as const, redirectUris: ['https://app.example/callback'] }
    await t.rejects(createClient(server.db, input), { code: 'invalid_request' })
  }
  const app = await makeClient(server)
  for (const id of [app.id, 'client_none', ''])
    await t.rejects(setClientRole(server.db, id, 'admin', new Date()), { code: 'not_found' })
  t.equal(await server.db.$count(clients, eq(clients.role, 'admin')), 2, 'those of the tests before')
})

t.test('a client that registers itself gives itself no role (RFC 7591 2)', async (t) => {
  const metadata = { redirect_uris: ['https://app.example/callback'], client_name: 'An App' }
  t.equal((await register(server, { ...metadata, client_role: 'admin' })).status, 400)
  const registered = (await (await register(server, { ...metadata, role: 'admin' })).json()) as { client_id: string }
  const [row] = await server.db.select().from(clients).where(eq(clients.id, registered.client_id))
  t.equal(row?.role, 'service')
  t.notMatch(registered, { client_role: String }, 'nor is it told of one')
})
