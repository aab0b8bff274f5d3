import t from 'tap'
import { LIST_SIZE } from '../../src/status-lists/place.ts'
import { makeClient, tokenRequest } from '../fixtures/clients.ts'
import { machineToken } from '../fixtures/credentials.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { countQueries } from '../fixtures/queries.ts'
import { isInvalid, readList, statusOf } from '../fixtures/status-lists.ts'
import { clientPost } from '../fixtures/wire.ts'

const server = await startGatehouse(t)

t.test('there is no list before a token names one', async (t) => {
  t.same(await (await server.fetch('/oauth/status-lists')).json(), { status_lists: [] })
  t.equal((await server.fetch('/oauth/status-lists/0')).status, 404)
})

t.test('a list is a signed JWT of its own type (draft-ietf-oauth-status-list-21 5.1, 8.1)', async (t) => {
  const { uri } = statusOf((await machineToken(server)).token)
  const { response, payload, protectedHeader, bits } = await readList(server, uri)
  t.equal(response.headers.get('content-type'), 'application/statuslist+jwt')
  t.match(protectedHeader, { typ: 'statuslist+jwt', alg: 'ES256', kid: String })
  t.match(payload, { iss: server.url, sub: uri, ttl: 1, status_list: { bits: 1 } })
  const lifetime = (payload.exp ?? 0) - (payload.iat ?? 0)
  t.ok(lifetime >= 30 && lifetime <= 60, 'an old one is soon worth nothing')
  t.equal(bits.length, LIST_SIZE / 8, 'as long for a few tokens as for many')
  t.same(await (await server.fetch('/oauth/status-lists')).json(), { status_lists: [uri] }, 'and is aggregated (9)')
  t.equal(
    (payload as { status_list: { aggregation_uri?: string } }).status_list.aggregation_uri,
    `${server.url}/oauth/status-lists`,
  )
  t.equal((await server.fetch(uri.replace(/\d+$/, '1'))).status, 404, 'no other is there')
})

t.test(
  'a list may be kept for a second, by anybody, and asked for again without its content (8.1, RFC 9111)',
  async (t) => {
    const { uri } = statusOf((await machineToken(server)).token)
    const { headers } = await server.fetch(uri)
    t.equal(headers.get('cache-control'), 'public, max-age=1')
    t.equal(headers.get('access-control-allow-origin'), '*')
    const known = { 'if-none-match': `"other", ${headers.get('etag')}` }
    // Its time may be half over between the two.
    const again = await eventually(
      () => server.fetch(uri, { headers: known }),
      ({ status }) => status === 304,
    )
    t.equal(again.status, 304)
    t.equal(await again.text(), '')
    t.match(again.headers.get('cache-control'), 'max-age=1')
    t.equal((await server.fetch(uri, { headers: { 'if-none-match': 'W/"other"' } })).status, 200)
  },
)

t.test('a list is sent by gzip to who takes that (8.1, RFC 9110 12.5.3)', async (t) => {
  const { uri } = statusOf((await machineToken(server)).token)
  for (const [accepted, encoding] of [
    ['gzip, br', 'gzip'],
    ['identity', null],
    ['gzip;q=0, identity', null],
  ] as const) {
    const { response } = await readList(server, uri, { headers: { 'accept-encoding': accepted } })
    t.equal(response.headers.get('content-encoding'), encoding, accepted)
    t.match(response.headers.get('vary'), 'accept-encoding')
  }
})

t.test('only the JWT is sent, as of now (8.1, 8.4)', async (t) => {
  const { uri } = statusOf((await machineToken(server)).token)
  const status = async (accept: string, query = '') =>
    (await server.fetch(`${uri}${query}`, { headers: { accept } })).status
  for (const accept of [
    'application/statuslist+jwt',
    '*/*',
    'application/*',
    'application/statuslist+cwt, */*;q=0.1',
  ]) {
    t.equal(await status(accept), 200, accept)
  }
  for (const accept of ['application/statuslist+cwt', 'application/json', 'application/statuslist+jwt;q=0']) {
    t.equal(await status(accept), 406, accept)
  }
  t.equal(await status('*/*', '?time=1686925000'), 501)
  for (const list of ['-1', '00', '1e3', '9999999999', 'x']) {
    t.ok([400, 404].includes((await server.fetch(`/oauth/status-lists/${list}`)).status), list)
  }
})

t.test('tokens of one client share a place, others have others, in no order (6.1, 12.5)', async (t) => {
  const places = []
  for (let made = 0; made < 12; made += 1) places.push(statusOf((await machineToken(server)).token).idx)
  t.equal(new Set(places).size, places.length)
  t.notSame(
    places,
    [...places].sort((a, b) => a - b),
  )
  t.ok(Math.max(...places) - Math.min(...places) > 1000, 'nor side by side')
})

t.test('what nobody changes costs no query: another token, another poll', async (t) => {
  const { token } = await machineToken(server)
  const { uri } = statusOf(token)
  const poll = () => countQueries(server, () => server.fetch(uri))
  t.equal(await eventually(poll, (count) => count === 0, 15_000), 0)
})

t.test('a token revoked by itself ends what shares its place, and the next has another (RFC 7009 2)', async (t) => {
  const { client, ask } = await machine()
  const [one, other] = [await ask(), await ask()]
  t.same(statusOf(one), statusOf(other))
  const statements = await countQueries(server, ask, /status_slots/)
  t.equal(statements, 0, 'its place is remembered')
  t.equal((await clientPost(server, '/oauth/revoke', client, { token: one })).status, 200)
  const invalid = (token: string) =>
    eventually(
      () => isInvalid(server, token),
      (is) => is,
    )
  t.ok(await invalid(one))
  t.ok(await invalid(other))
  t.notOk(await isInvalid(server, await ask()))
})

async function machine() {
  const client = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
  const ask = async () => {
    const response = await tokenRequest(server, client, { grant_type: 'client_credentials' })
    return ((await response.json()) as { access_token: string }).access_token
  }
  return { client, ask }
}
