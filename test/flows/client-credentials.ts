import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import t from 'tap'
import { createResource } from '../../src/resources/resources.ts'
import { authorize, makeClient, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { clientPost, meStatus, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const keys = createLocalJWKSet((await (await server.fetch('/oauth/jwks')).json()) as JSONWebKeySet)

const ORDERS = 'https://orders.example'
const PARCELS = 'https://parcels.example/api'
const scopes = { 'orders:read': 'See your orders' }
await createResource(server.db, server.url, { identifier: ORDERS, name: 'Orders', scopes, format: 'jwt' })
const inOther = { 'parcels:read': 'See your parcels' }
await createResource(server.db, server.url, { identifier: PARCELS, name: 'Parcels', scopes: inOther, format: 'opaque' })

const machine = await makeClient(server, {
  type: 'machine',
  scope: ['profile:read', 'keys:read', 'admin:read', 'orders:read', 'parcels:read'],
})

interface Answer {
  readonly access_token: string
  readonly scope?: string
  readonly error?: string
}

async function ask(parameters: Record<string, string> = {}, of = machine) {
  const response = await tokenRequest(server, of, { grant_type: 'client_credentials', ...parameters })
  return { status: response.status, ...((await response.json()) as Answer) }
}

t.test('a machine gets a JWT for the API (RFC 6749 4.4, RFC 9068 2)', async (t) => {
  const answer = await ask({ scope: 'profile:read keys:read' })
  t.match(answer, { status: 200, token_type: 'Bearer', scope: 'profile:read keys:read' })
  t.notMatch(answer, { refresh_token: String }, 'and no refresh token (RFC 6749 4.4.3)')

  const { payload, protectedHeader } = await jwtVerify(answer.access_token, keys, {
    typ: 'at+jwt',
    issuer: server.url,
    audience: `${server.url}/api`,
    requiredClaims: ['exp', 'iat', 'jti', 'client_id'],
  })
  t.match(protectedHeader, { alg: 'ES256', typ: 'at+jwt', kid: String })
  t.match(payload, { sub: machine.id, client_id: machine.id, scope: 'profile:read keys:read' })
  t.ok((payload.exp ?? 0) - (payload.iat ?? 0) <= 600, 'for ten minutes at most')
  t.not(decodeJwt((await ask({ scope: 'profile:read' })).access_token).jti, payload.jti, 'each with its own name')

  const me = await server.fetch('/api/me', { headers: bearer(answer.access_token) })
  t.match(await me.json(), { subject: { kind: 'client', id: machine.id }, clientId: machine.id, role: 'SERVICE' })
})

t.test('a machine is nobody’s account and no administrator (RFC 9068 5, ASVS V8.3.3)', async (t) => {
  const { access_token, status } = await ask({ scope: 'profile:read keys:read admin:read' })
  t.equal(status, 200)
  const get = async (path: string) => (await server.fetch(path, { headers: bearer(access_token) })).status
  t.equal(await get('/api/me'), 200)
  t.equal(await get('/api/admin/users'), 403)
  t.equal(await get('/api/keys'), 404, 'it owns no keys')
  t.equal(await get('/api/grants'), 403)
  t.equal(await get('/oauth/userinfo'), 403)
})

t.test(
  'a scope that the client is not registered for is refused (RFC 6749 3.3, authentik CVE-2024-52287)',
  async (t) => {
    for (const scope of [
      'keys:write',
      'keys:read admin:write',
      'openid',
      'offline_access',
      'nonsense',
      'orders:write',
      'a"b',
    ]) {
      t.match(await ask({ scope }), { status: 400, error: 'invalid_scope' }, scope)
    }
    t.match(
      await ask({ scope: 'keys:read', resource: ORDERS }),
      { status: 400, error: 'invalid_scope' },
      'nor one of another',
    )
    t.match(await ask({ scope: 'orders:read' }), { status: 400, error: 'invalid_scope' })
    const without = await makeClient(server, { type: 'machine' })
    t.match(await ask({ scope: 'profile:read' }, without), { status: 400, error: 'invalid_scope' })
  },
)

t.test('a resource that nobody registered is refused (RFC 8707 2)', async (t) => {
  for (const resource of [
    'https://nobody.example',
    `${ORDERS}/`,
    `${ORDERS}#f`,
    'orders',
    'ORDERS',
    `${server.url}/API`,
  ]) {
    t.match(await ask({ scope: 'orders:read', resource }), { status: 400, error: 'invalid_target' }, resource)
  }
  const several = new URLSearchParams({ grant_type: 'client_credentials', scope: 'orders:read', resource: ORDERS })
  several.append('resource', PARCELS)
  const body = `${several}&client_id=${machine.id}&client_secret=${machine.secret}`
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const response = await server.fetch('/oauth/token', { method: 'POST', body, headers })
  t.match(await response.json(), { error: 'invalid_target' }, 'a token is for one')
})

t.test('a token for an operator’s resource is for that resource alone (RFC 8707 2.2, RFC 9700 2.3)', async (t) => {
  const jwt = await ask({ scope: 'orders:read', resource: ORDERS })
  const { payload } = await jwtVerify(jwt.access_token, keys, { typ: 'at+jwt', issuer: server.url, audience: ORDERS })
  t.match(payload, { sub: machine.id, scope: 'orders:read' })

  const opaque = await ask({ scope: 'parcels:read', resource: PARCELS })
  t.match(opaque, { status: 200, scope: 'parcels:read' })
  t.notMatch(opaque.access_token, /\./, 'opaque where the resource says so')
  const seen = await clientPost(server, '/oauth/introspect', machine, { token: opaque.access_token })
  t.match(await seen.json(), { active: true, aud: PARCELS, client_id: machine.id, scope: 'parcels:read' })

  t.equal(await meStatus(server, jwt.access_token), 401, 'our own API takes neither')
  t.equal(await meStatus(server, opaque.access_token), 401)
})

t.test('a person’s token for an operator’s resource is for that resource alone (RFC 8707 2)', async (t) => {
  const person = await makePerson(server)
  const client = await makeClient(server, { scope: ['openid', 'profile:read', 'orders:read', 'parcels:read'] })
  for (const [resource, scope] of [
    [ORDERS, 'orders:read'],
    [PARCELS, 'parcels:read'],
  ] as const) {
    const { redeem } = await authorize(server, client, person, { parameters: { resource, scope: `openid ${scope}` } })
    const tokens = await redeem()
    const seen = await clientPost(server, '/oauth/introspect', machine, { token: tokens.access_token })
    t.match(await seen.json(), { active: true, aud: resource, sub: person.id, scope })
    t.equal(await meStatus(server, tokens.access_token), 401)
    const other = {
      grant_type: 'refresh_token',
      refresh_token: tokens.refresh_token ?? '',
      resource: `${server.url}/api`,
    }
    const widened = await tokenRequest(server, client, other)
    t.match(await widened.json(), { error: 'invalid_target' }, 'refreshing it leads to no other (RFC 8707 2.2)')
  }
})

t.test('a client that registers itself gets nothing without a person (ASVS V10.4.4, V10.4.7)', async (t) => {
  for (const grant_types of [['client_credentials'], ['authorization_code', 'client_credentials']]) {
    const refused = await register(server, { grant_types, redirect_uris: ['https://app.example/callback'] })
    t.equal(refused.status, 400)
  }
  t.match(await ask({}, await makeClient(server)), { status: 400 }, 'nor does one that acts for people')
})

t.test('no client takes the name of an account or of another client (RFC 9700 4.15, RFC 9068 5)', async (t) => {
  const person = await makePerson(server)
  for (const client_id of [person.id, machine.id, 'admin']) {
    const metadata = { client_id, client_secret: 'chosen', redirect_uris: ['https://app.example/callback'] }
    const response = await register(server, metadata)
    t.equal(response.status, 201)
    const registered = (await response.json()) as Record<string, string>
    t.match(registered.client_id, /^client_[0-9a-f]{32}$/)
    t.not(registered.client_secret, 'chosen', 'nor chooses its secret')
  }
})

t.test('a machine that names no scope gets what its client may ask for (RFC 6749 3.3)', async (t) => {
  const client = await makeClient(server, { type: 'machine', scope: ['profile:read', 'keys:read'] })
  const answer = await (await tokenRequest(server, client, { grant_type: 'client_credentials' })).json()
  const { access_token: token, scope } = answer as { access_token: string; scope: string }
  t.equal(scope, 'profile:read keys:read')
  const me = await server.fetch('/api/me', { headers: bearer(token) })
  t.match(await me.json(), { subject: { kind: 'client', id: client.id }, scopes: ['profile:read', 'keys:read'] })

  const bare = await makeClient(server, { type: 'machine', scope: [] })
  const without = await (await tokenRequest(server, bare, { grant_type: 'client_credentials' })).json()
  const headers = bearer((without as { access_token: string }).access_token)
  t.match(await (await server.fetch('/api/me', { headers })).json(), { scopes: [] })
})
