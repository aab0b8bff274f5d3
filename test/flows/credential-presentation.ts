import * as openid from 'openid-client'
import t from 'tap'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'
import { bareChallenges, rawRequest } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const { accessToken: jwt } = await signIn(server, person)
const { apiKey } = await makeKey(server, person)
const narrowKey = await makeKey(server, person, ['keys:read'])
const client = await makeClient(server, { scope: ['profile:read', 'keys:read'] })
const { access_token: accessToken } = await (
  await authorize(server, client, person, { parameters: { scope: 'profile:read' } })
).redeem()

const CREDENTIALS = [
  { path: '/api/protected/jwt', authMethod: 'jwt', token: jwt },
  { path: '/api/protected/oauth', authMethod: 'oauth', token: accessToken },
  { path: '/api/protected/apikey', authMethod: 'api_key', token: apiKey },
]
const metadataUrl = `${server.url}/.well-known/oauth-protected-resource/api`
const bareChallenge = bareChallenges(metadataUrl)
const get = (path: string, headers: Record<string, string> = {}) => server.fetch(path, { headers })

t.test('a protected route tells which credential opened it', async (t) => {
  for (const { path, authMethod, token } of CREDENTIALS) {
    for (const route of [path, '/api/protected/any']) {
      const response = await get(route, bearer(token))
      t.equal(response.status, 200)
      const body = (await response.json()) as Record<string, unknown>
      t.strictSame(Object.keys(body).sort(), ['authMethod', 'message', 'scopes', 'user'])
      t.match(body, { authMethod, user: { id: person.id }, message: /\w/ })
      t.ok((body.scopes as string[]).includes('profile:read'))
    }
  }
})

t.test('GET /api/me tells who calls; e-mail and name only with profile:read', async (t) => {
  for (const { token } of CREDENTIALS) {
    const me = (await (await get('/api/me', bearer(token))).json()) as object
    t.match(me, { subject: { kind: 'account', id: person.id }, role: 'USER', email: person.email, name: person.name })
  }
  const narrow = (await (await get('/api/me', { 'x-api-key': narrowKey.apiKey })).json()) as object
  t.strictSame(Object.keys(narrow).sort(), ['credential', 'role', 'scopes', 'subject'])

  const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
  const own = await openid.clientCredentialsGrant(machine.configuration, { scope: 'profile:read' })
  const me = (await (await get('/api/me', bearer(own.access_token))).json()) as object
  t.match(me, { subject: { kind: 'client', id: machine.id }, role: 'SERVICE' }, 'a client is not a person')
  t.notOk('email' in me)
})

t.test('no answer holds the credential it was asked with', async (t) => {
  for (const { token } of CREDENTIALS) {
    for (const path of ['/api/me', '/api/protected/any', '/api/keys']) {
      t.notMatch(await (await get(path, bearer(token))).text(), token)
    }
  }
})

t.test('the scheme is Bearer in any case (RFC 9110 11.1)', async (t) => {
  for (const { token } of CREDENTIALS) {
    for (const scheme of ['bearer', 'BEARER', 'bEaReR']) {
      t.equal((await get('/api/me', { authorization: `${scheme} ${token}` })).status, 200, scheme)
    }
  }
})

t.test('two credentials in one request are one too many, whichever they are (RFC 6750 2)', async (t) => {
  for (const { token } of CREDENTIALS) {
    for (const key of [apiKey, 'not a key']) {
      const refused = await get('/api/me', { ...bearer(token), 'x-api-key': key })
      t.equal(refused.status, 400)
      t.match(await refused.json(), { code: 'invalid_request' })
    }
    for (const other of [token, 'x']) {
      const headers = { Authorization: [`Bearer ${token}`, `Bearer ${other}`] }
      t.equal((await rawRequest(server, '/api/me', { headers })).status, 400, 'two Authorization lines')
    }
  }
  const keys = await rawRequest(server, '/api/me', { headers: { 'x-api-key': [apiKey, narrowKey.apiKey] } })
  t.equal(keys.status, 400, 'two X-API-Key lines')
})

t.test('an Authorization header that is not one Bearer token is malformed (RFC 6750 2.1)', async (t) => {
  for (const value of [
    'Bearer',
    `Bearer ${jwt} ${jwt}`,
    `Bearer ${jwt}, Bearer ${jwt}`,
    'Bearer "x"',
    `Bearer\t${jwt}`,
  ]) {
    t.equal(
      (await rawRequest(server, '/api/me', { headers: { authorization: value } })).status,
      400,
      value.slice(0, 12),
    )
  }
})

t.test('another scheme is no credential', async (t) => {
  for (const authorization of [`Basic ${btoa(`${person.email}:${person.password}`)}`, jwt, `Token ${apiKey}`]) {
    const refused = await get('/api/me', { authorization })
    t.equal(refused.status, 401)
    t.equal(refused.headers.get('www-authenticate'), bareChallenge)
  }
})

t.test('a token in the query is refused, alone or beside a header (RFC 9700 4.3.2)', async (t) => {
  for (const name of ['access_token', 'access%5Ftoken', '%61ccess_token']) {
    for (const { token } of CREDENTIALS) {
      t.equal((await get(`/api/me?${name}=${token}`)).status, 400, name)
      t.equal((await get(`/api/me?a=b&${name}=${token}`, bearer(token))).status, 400, name)
    }
  }
  t.equal((await get(`/api/me?api_key=${apiKey}`)).status, 401)
  t.equal((await get('/api/me', { cookie: `access_token=${jwt}; gatehouse_refresh=x` })).status, 401, 'nor is a cookie')
})

t.test('a forged host changes nothing in the challenge or the metadata (RFC 9700 4.13)', async (t) => {
  const forged = {
    host: 'evil.example',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    forwarded: 'host=evil.example;proto=https',
  }
  const challenged = await rawRequest(server, '/api/me', { headers: forged })
  t.equal(challenged.headers['www-authenticate'], bareChallenge)
  const metadata = await rawRequest(server, '/.well-known/oauth-protected-resource/api', { headers: forged })
  t.equal(metadata.body, await (await get('/.well-known/oauth-protected-resource/api')).text())
  t.notMatch(metadata.body, 'evil.example')
})

t.test('no spelling of a path goes around authentication', async (t) => {
  const around = ['//api/me', '/api//me', '/api/%6de', '/%61pi/me', '/api/me;x', '/api/me%3Bx', '/API/me', '/api/ME']
  const more = ['/api/me/', '/api/me%2f', '/api/x/../me', '/api/%2e/me', '/api/me%20', '/api/me.json', '/./api/me']
  for (const path of [...around, ...more, 'http://evil.example/api/me']) {
    const anonymous = await rawRequest(server, path, { headers: {} })
    t.ok([400, 401, 404].includes(anonymous.status), `${path}: ${anonymous.status}`)
    t.notMatch(anonymous.body, /subject/)
  }
  for (const method of ['HEAD', 'OPTIONS', 'PUT', 'TRACE']) {
    const anonymous = await rawRequest(server, '/api/me', { method, headers: { 'x-http-method-override': 'GET' } })
    t.ok([401, 404].includes(anonymous.status), method)
  }
})

t.test('the metadata of the resource is where the challenge says, and names it (RFC 9728 3.3, 5.1)', async (t) => {
  const challenge = (await get('/api/me')).headers.get('www-authenticate') ?? ''
  const url = /resource_metadata="([^"]+)"/.exec(challenge)?.[1] ?? ''
  t.equal(url, metadataUrl)
  const response = await fetch(url)
  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^application\/json/)
  const metadata = (await response.json()) as { resource: string }
  t.match(metadata, { authorization_servers: [server.url], bearer_methods_supported: ['header'] })
  t.equal(metadata.resource, `${server.url}/api`, 'the identifier the URL was made from')
  t.match(metadata, { scopes_supported: ['profile:read', 'keys:read', 'keys:write', 'admin:read', 'admin:write'] })
  t.equal((await get('/.well-known/oauth-protected-resource')).status, 200)
})

t.test('signing out with an access token revokes it, and no other (ASVS V7.4.1)', async (t) => {
  const other = await (await authorize(server, client, person, { parameters: { scope: 'profile:read' } })).redeem()
  const out = await server.post('/api/auth/logout', {}, bearer(accessToken))
  t.equal(out.status, 200)
  t.strictSame(Object.keys((await out.json()) as object), ['message'])
  t.equal((await get('/api/me', bearer(accessToken))).status, 401)
  t.equal((await get('/api/me', bearer(other.access_token))).status, 200)
  t.equal((await get('/api/me', bearer(jwt))).status, 200)
})
