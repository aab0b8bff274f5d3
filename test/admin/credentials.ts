import t from 'tap'
import { makeAdministrator, pagesOf } from '../fixtures/administrator.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makeKey, makePerson } from '../fixtures/people.ts'
import { meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const admin = await makeAdministrator(server)
const people = [await makePerson(server), await makePerson(server)] as const
const clients = [await makeClient(server), await makeClient(server, { accessTokenFormat: 'opaque' })] as const

t.test('grants of all accounts are listed, by account and client, and read (ASVS V10.7.3)', async (t) => {
  for (const person of people) for (const client of clients) await (await authorize(server, client, person)).redeem()
  const listed = async (query = '') => pagesOf(admin, `/api/admin/grants${query}`, 'grants')
  t.equal((await listed()).length, 4)
  const ends = (await listed()).map(({ expiresAt }) => String(expiresAt))
  t.same(ends, ends.toSorted())
  t.same(
    new Set((await listed(`?accountId=${people[0].id}`)).map(({ clientId }) => clientId)),
    new Set(clients.map(({ id }) => id)),
  )
  t.same(
    new Set((await listed(`?clientId=${clients[0].id}`)).map(({ accountId }) => accountId)),
    new Set(people.map(({ id }) => id)),
  )
  const [one, ...none] = await listed(`?clientId=${clients[0].id}&accountId=${people[1].id}`)
  t.same(none, [])
  t.match(one, { scopes: ['openid', 'profile', 'email', 'offline_access', 'profile:read'], clientName: 'Example App' })
  t.match(one?.resources, [{ identifier: `${server.url}/api`, scopes: ['profile:read'] }])
  const events = await eventsOf(server.db, async () => {
    const read = await admin.send('GET', `/api/admin/grants/${one?.id}`)
    t.strictSame(read.body, one)
  })
  t.match(events, [{ type: 'grant.read', subjectId: people[1].id, actorId: admin.person.id }])
  t.equal((await admin.send('GET', '/api/admin/grants?accountId=x')).status, 400)
})

t.test('a grant that is revoked ends its tokens at once, JWTs too (RFC 7009 2.1)', async (t) => {
  for (const client of clients) {
    const person = await makePerson(server)
    const { access_token: token } = await (await authorize(server, client, person)).redeem()
    t.equal(await meStatus(server, token), 200)
    const [grant] = await pagesOf(admin, `/api/admin/grants?accountId=${person.id}`, 'grants')
    const path = `/api/admin/grants/${grant?.id}`
    t.equal((await admin.send('DELETE', path, undefined, { 'if-match': '"stale"' })).status, 412)
    t.equal(await meStatus(server, token), 200, 'a stale ETag changes nothing')
    const events = await eventsOf(server.db, async () => t.equal((await admin.send('DELETE', path)).status, 204))
    const revoked = { type: 'grant.revoke', subjectId: person.id, clientId: client.id, actorId: admin.person.id }
    t.match(events, [revoked])
    t.equal(await meStatus(server, token), 401)
    t.match(await admin.send('DELETE', path), { status: 404, body: { code: 'not_found' } })
  }
})

t.test('API keys of all accounts are listed and revoked, at once', async (t) => {
  const keys = []
  for (const person of [people[0], people[0], people[1]]) keys.push(await makeKey(server, person))
  const listed = await pagesOf(admin, '/api/admin/api-keys', 'apiKeys')
  t.same(
    listed.map(({ id }) => id),
    keys.map(({ id }) => id),
    'in the order they were made',
  )
  const own = await pagesOf(admin, `/api/admin/api-keys?accountId=${people[0].id}`, 'apiKeys')
  t.same(
    own.map(({ id }) => id),
    keys.slice(0, 2).map(({ id }) => id),
  )
  for (const { apiKey } of keys) t.notMatch(JSON.stringify(listed), apiKey)

  const [{ id = '', apiKey = '' } = {}] = keys
  const status = async () => (await server.fetch('/api/me', { headers: { 'x-api-key': apiKey } })).status
  t.equal(await status(), 200)
  const path = `/api/admin/api-keys/${id}`
  t.equal((await admin.send('DELETE', path, undefined, { 'if-match': '"stale"' })).status, 412)
  t.equal(await status(), 200)
  const events = await eventsOf(server.db, async () => t.equal((await admin.send('DELETE', path)).status, 204))
  t.match(events, [{ type: 'api_key.revoke', subjectId: people[0].id, actorId: admin.person.id }])
  t.equal(await status(), 401)
  t.match(await admin.send('GET', path), { status: 200, body: { id, accountId: people[0].id, revokedAt: String } })
  t.equal((await admin.send('DELETE', path)).status, 404, 'once')
})

t.test('signing keys are listed without private parts, and rotated (RFC 7517 9.2)', async (t) => {
  const KEYS = '/api/admin/signing-keys'
  const { body } = await admin.send('GET', KEYS)
  const next = body.signingKeys.filter(({ state }: { state: string }) => state === 'next')
  t.match(next, { length: 4 })
  t.notMatch(JSON.stringify(body), /"(d|p|q|x|n|privateJwk|sealedPrivateJwk)":/)
  const key = { 'idempotency-key': 'rotate' }
  const events = await eventsOf(server.db, async () => {
    const rotated = await admin.send('POST', `${KEYS}/rotate`, {}, key)
    t.equal(rotated.status, 201)
    t.strictSame((await admin.send('POST', `${KEYS}/rotate`, {}, key)).body, rotated.body, 'once for a key')
    for (const { kid } of next) {
      const now = rotated.body.signingKeys.find((each: { kid: string }) => each.kid === kid)
      t.equal(now.state, 'current')
    }
  })
  t.match(
    events.find(({ type }) => type === 'signing_key.activate'),
    { actorId: admin.person.id },
  )
  t.equal((await admin.send('GET', '/api/admin/signing-keys')).status, 200, 'what was signed before stays good')
  t.equal((await admin.send('POST', `${KEYS}/rotate`, { compromised: 'yes' })).status, 400)
  t.equal((await admin.send('POST', `${KEYS}/rotate`, { compromised: true })).status, 201)
  const status = async () => (await admin.send('GET', KEYS)).status
  t.equal(await eventually(status, (status) => status === 401), 401, 'what any key signed before is refused')
})
