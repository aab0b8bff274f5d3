import t from 'tap'
import { eventsOf } from '../fixtures/audit.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makeMachineAdministrator } from '../fixtures/machine-administrator.ts'
import { bearer } from '../fixtures/people.ts'

interface Issued {
  readonly id: string
  readonly token: string
  readonly clients: number
}

const server = await startGatehouse(t)
const admin = await makeMachineAdministrator(server)
const PATH = '/initial-access-tokens'
const METADATA = { client_name: 'An App', redirect_uris: ['https://app.example/callback'] }
const registration = async (token: string) => (await server.post('/oauth/register', METADATA, bearer(token))).status
const listed = (limit = 50) => admin.walk<Issued>(PATH, 'initialAccessTokens', limit)

t.test('a token is shown once, registers as many clients as it may, until it is revoked (RFC 7591 3)', async (t) => {
  const key = { 'idempotency-key': 'once' }
  const made = await admin.ask<Issued>('POST', PATH, { days: 1, clients: 2 }, key)
  const { id, token } = made.body
  t.match(made, { status: 201, body: { clients: 2, registered: 0, token: /^[\w-]{43}$/ } })
  t.strictSame((await admin.ask<Issued>('POST', PATH, { days: 1, clients: 2 }, key)).body, made.body, 'the same again')
  t.equal(await registration(token), 201)
  t.match(await listed(), [{ id, clients: 2, registered: 1 }])
  t.notMatch(JSON.stringify(await listed()), new RegExp(token))

  const events = await eventsOf(server.db, async () => {
    t.equal((await admin.ask('DELETE', `${PATH}/${id}`)).status, 204)
  })
  t.match(events, [{ type: 'initial_access_token.revoke', actorId: admin.id, details: { token: id } }])
  t.equal(await registration(token), 401)
  t.strictSame(await listed(), [])
  t.match(await admin.ask('DELETE', `${PATH}/${id}`), { status: 404, body: { code: 'not_found' } })
})

t.test('they are listed in pages', async (t) => {
  for (const days of [3, 1, 2, 1, 5]) await admin.ask('POST', PATH, { days })
  const all = await listed()
  t.equal(all.length, 5)
  t.strictSame(await listed(2), all)
  t.ok(all.every(({ clients }) => clients === 100))
})

t.test('more than the command gives is refused', async (t) => {
  for (const body of [{ days: 0 }, { days: 366 }, { days: 1.5 }, { clients: 0 }, { clients: 10_001 }, { most: 1 }, []])
    t.equal((await admin.ask('POST', PATH, body)).status, 400, JSON.stringify(body))
  t.equal((await listed()).length, 5)
})
