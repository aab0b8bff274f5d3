import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import t from 'tap'
import { deleteClient } from '../../src/clients/clients.ts'
import { createResource } from '../../src/resources/resources.ts'
import { makeClient, tokenRequest } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'

const server = await startGatehouse(t, { env: { TRUST_PROXY: '127.0.0.1' } })
const person = await makePerson(server)
const { apiKey } = await makeKey(server, person, ['profile:read', 'keys:read'])
const key = { 'x-api-key': apiKey }
const verify = (target: string, headers: Record<string, string> = key, method = 'GET') =>
  server.fetch(`/gate/verify${target}`, { method, headers })
/** A path as it is, dots and all. */
async function verifyAsWritten(target: string): Promise<number | undefined> {
  const { port } = new URL(server.url)
  const sent = request({ host: '127.0.0.1', port, path: `/gate/verify${target}`, headers: key }).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}

t.test('an admitted request is told of in headers, without a body', async (t) => {
  const response = await verify('?scope=profile:read%20keys:read')
  t.equal(response.status, 200)
  t.equal(await response.text(), '')
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.equal(response.headers.get('x-auth-subject'), person.id)
  t.equal(response.headers.get('x-auth-client'), '')
  t.equal(response.headers.get('x-auth-scope'), 'profile:read keys:read')
  t.equal(response.headers.get('x-auth-method'), 'api_key')
})

t.test('every scope that is asked for is needed (RFC 6750 3.1)', async (t) => {
  const response = await verify('?scope=profile:read%20keys:write')
  t.equal(response.status, 403)
  t.match(response.headers.get('www-authenticate'), /error="insufficient_scope".*scope="profile:read keys:write"/)
  t.equal(response.headers.get('x-auth-subject'), null)
})

t.test('a scope that is none, twice or not known by that name lets nobody through', async (t) => {
  for (const query of [
    '?scope=',
    '?scope=%20',
    '?scope=profile:read%20%20keys:read',
    '?scope=profile:read&scope=keys:read',
    '?scope[]=profile:read',
    '?scopes=profile:read',
    '?scope=%22',
    `?scope=${'a'.repeat(1_025)}`,
    '?access_token=x',
  ]) {
    t.equal((await verify(query)).status, 400, query)
  }
})

t.test(
  'for a resource of the operator a token for that is needed, and nothing else will do (RFC 9068 4)',
  async (t) => {
    const ORDERS = 'https://orders.example/v1'
    for (const [identifier, format] of [[ORDERS, 'jwt'] as const, ['https://parcels.example', 'opaque'] as const]) {
      const scope = format === 'jwt' ? 'orders:read' : 'parcels:read'
      await createResource(server.db, server.url, { identifier, name: 'One', scopes: { [scope]: 'See it' }, format })
      const client = await makeClient(server, { type: 'machine', scope: [scope, 'profile:read'] })
      const issue = async (resource: string) => {
        const response = await tokenRequest(server, client, { grant_type: 'client_credentials', resource })
        return bearer(((await response.json()) as { access_token: string }).access_token)
      }
      const headers = await issue(identifier)
      const query = `?resource=${encodeURIComponent(identifier)}&scope=${scope}`
      for (const _ of ['cold', 'warm']) {
        const admitted = await verify(query, headers)
        t.equal(admitted.status, 200)
        t.equal(admitted.headers.get('x-auth-scope'), scope)
        t.equal((await verify('', headers)).status, 401, 'not for our API')
        t.equal((await server.fetch('/api/me', { headers })).status, 401)
        t.equal((await verify(`${query}x`, headers)).status, 403)
        for (const other of [
          await issue(`${server.url}/api`),
          key,
          bearer((await signIn(server, person)).accessToken),
        ]) {
          t.equal((await verify(query, other)).status, 401)
          t.equal((await verify('?scope=profile:read', other)).status, 200)
          t.equal((await verify(query, other)).status, 401, 'also once it was seen here')
        }
      }
      await deleteClient(server.db, client.id, new Date())
      t.equal(
        await eventually(
          async () => (await verify(query, headers)).status,
          (status) => status === 401,
        ),
        401,
      )
    }
    const bare = await verify(`?resource=${encodeURIComponent(ORDERS)}`, {})
    t.match(
      bare.headers.get('www-authenticate'),
      'resource_metadata="https://orders.example/.well-known/oauth-protected-resource/v1"',
    )
  },
)

t.test('a resource that is none cannot write into the challenge', async (t) => {
  for (const resource of [
    'x"y',
    'a\r\nSet-Cookie: b',
    'urn:x"y',
    'https://a.example/?b\\',
    'https://a.example/"',
    '\u0000',
  ]) {
    const response = await verify(`?resource=${encodeURIComponent(resource)}`, {})
    t.ok(response.status === 401 || response.status === 400, JSON.stringify(resource))
    t.equal(response.headers.get('set-cookie'), null)
    t.match(response.headers.get('www-authenticate') ?? 'Bearer', /^Bearer( (\w+="[^"\\]*"(, )?)+)?/)
    t.equal((await verify(`?resource=${encodeURIComponent(resource)}`, key)).status === 200, false)
  }
  t.equal((await verify('?resource=https://a.example&resource=https://b.example', key)).status, 400)
})

t.test('a gateway may send the method, type and length of a body that it keeps', async (t) => {
  for (const method of ['HEAD', 'GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const type = { 'content-type': 'application/json' }
    t.equal((await verify('/profile:read/orders', { ...key, ...type }, method)).status, 200, method)
    t.equal((await verify('/profile:read/orders', type, method)).status, 401, method)
  }
})

t.test('where the path and query of the request follow the scope, they say nothing', async (t) => {
  for (const rest of ['', 'orders/1', '..', '../keys:read/', '%2e%2e/x', '?scope=keys:read', 'a?access=b']) {
    t.equal(await verifyAsWritten(`/profile:read/${rest}`), 200, rest)
    t.equal(await verifyAsWritten(`/keys:write/${rest}`), 403, rest)
  }
  t.equal((await verify('/profile:read%20keys:write/orders')).status, 403)
  t.equal((await verify('/profile:read')).status, 404)
})

t.test('a refusal is written down, with what was asked for as a trusted gateway says (ASVS V16.3.2)', async (t) => {
  const forwarded = { 'x-forwarded-method': 'DELETE', 'x-forwarded-uri': '/orders/1?secret=x' }
  await verify('?scope=keys:write', { ...key, ...forwarded, 'x-forwarded-for': '192.0.2.7' })
  await verify('?scope=keys:write%20profile:read', { ...key, ...forwarded })
  const find = () =>
    server.db.execute<{ details: { path?: string }; from_address: string }>(`
      select details, from_address from audit_events
      where type = 'gate.request' and (from_address = '192.0.2.7' or details->>'scope' = 'keys:write profile:read')`)
  // Written in the background, in whatever order.
  const rows = await eventually(find, (rows) => rows.length === 2)
  const trusted = rows.find(({ from_address }) => from_address === '192.0.2.7')
  const direct = rows.find((row) => row !== trusted)
  t.match(trusted, { from_address: '192.0.2.7', details: { method: 'DELETE', path: '/orders/1' } })
  t.notMatch(JSON.stringify(trusted), 'secret')
  t.strictSame(Object.keys(direct?.details ?? {}), ['scope', 'reason'])
})
