import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, tokenRequest } from '../fixtures/clients.ts'
import { makeOneOfEach } from '../fixtures/credentials.ts'
import { eventually } from '../fixtures/eventually.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'
import { gatehouseAt, startServer } from '../fixtures/processes.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { basic, clientPost } from '../fixtures/wire.ts'

const skip = process.env.TEST_DATABASE_URL ? false : 'the embedded database does not go away'
/** As many as the pool of a server has. */
const CONNECTIONS = 10
const html = { accept: 'text/html' }

async function startProxyTo(t: Test, server: Gatehouse) {
  const proxy = await startProxy(new URL(server.env.DATABASE_URL ?? ''))
  t.teardown(() => proxy.close())
  return proxy
}

async function becomesReady(server: Gatehouse): Promise<boolean> {
  return eventually(
    async () => (await server.fetch('/readyz')).ok,
    (ready) => ready,
    10_000,
  )
}

/** Requests of every kind that need the database, by how a failure of theirs is told. */
async function makeRequests(server: Gatehouse, straight: Gatehouse) {
  const person = await makePerson(server, 'admin')
  const { apiKey, id } = await makeKey(server, person, ['keys:read', 'keys:write'])
  const { accessToken, refreshToken } = await signIn(server, person)
  const client = await makeClient(straight)
  const machine = await makeClient(straight, { type: 'machine' })
  const { url } = await authorizationRequest(client)
  const authorization = `${url.pathname}${url.search}`
  const browser = new Browser(server)
  const page = await browser.goto(authorization)
  const { action } = page.form('/login')
  const { email, password } = person
  const key = { 'x-api-key': apiKey }
  const jwt = bearer(accessToken)
  const opaque = bearer('x'.repeat(43))
  const form = new URLSearchParams({ email, password })

  const problems: Record<string, () => Promise<Response>> = {
    'GET /api/keys with an API key': () => server.fetch('/api/keys', { headers: key }),
    'DELETE /api/keys/:id': () => server.fetch(`/api/keys/${id}`, { method: 'DELETE', headers: key }),
    'POST /api/keys/:id/rotate': () => server.post(`/api/keys/${id}/rotate`, {}, key),
    'POST /api/auth/apikey/generate': () => server.post('/api/auth/apikey/generate', { name: 'k' }, jwt),
    'GET /api/grants': () => server.fetch('/api/grants', { headers: jwt }),
    'GET /api/admin/users': () => server.fetch('/api/admin/users', { headers: jwt }),
    'GET /api/protected/any': () => server.fetch('/api/protected/any', { headers: jwt }),
    'GET /api/me with an opaque token': () => server.fetch('/api/me', { headers: opaque }),
    'POST /api/auth/register': () => server.post('/api/auth/register', { email: 'new@example.com', password }),
    'POST /api/auth/login/jwt': () => server.post('/api/auth/login/jwt', { email, password }),
    'POST /api/auth/refresh': () => server.post('/api/auth/refresh', { refreshToken }),
    'POST /api/auth/logout': () => server.post('/api/auth/logout', {}, jwt),
  }
  const oauth: Record<string, () => Promise<Response>> = {
    'a token for a machine': () => tokenRequest(server, machine, { grant_type: 'client_credentials' }),
    'a code': () =>
      tokenRequest(server, client, { grant_type: 'authorization_code', code: 'x', code_verifier: 'x'.repeat(43) }),
    'a refresh token': () => tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token: 'x' }),
    introspection: () => clientPost(server, '/oauth/introspect', client, { token: 'x' }),
    revocation: () => clientPost(server, '/oauth/revoke', client, { token: 'x' }),
    userinfo: () => server.fetch('/oauth/userinfo', { headers: opaque }),
    registration: () => server.post('/oauth/register', { redirect_uris: ['https://app.example/'] }, opaque),
  }
  const pages: Record<string, () => Promise<Response>> = {
    'an authorization request': () => server.fetch(authorization, { headers: html }),
    'a sign-in page': () => browser.request(page.url),
    'a sign-in at the page': () =>
      browser.request(action, { method: 'POST', body: form, headers: { origin: server.config.issuer } }),
    'the sign-out page': () => browser.request('/oauth/logout'),
    'the page of the one-time link': () => server.fetch(`/setup?token=${'x'.repeat(43)}`, { headers: html }),
  }
  return { problems, oauth, pages }
}

t.test('a database that goes away', { skip }, async (t) => {
  const straight = await startGatehouse(t)
  const proxy = await startProxyTo(t, straight)
  const server = await startGatehouse(t, { beside: straight, through: proxy.url })
  const { problems, oauth, pages } = await makeRequests(server, straight)
  const held = await makeOneOfEach(straight)
  const person = await makePerson(server)
  await proxy.cut()

  const told = async (t: Test, name: string, response: Response, type: string) => {
    t.equal(response.status, 503, name)
    t.match(response.headers.get('retry-after'), /^\d+$/, `${name}: Retry-After`)
    t.equal(response.headers.get('content-type')?.split(';')[0], type, `${name}: content type`)
    return response.text()
  }

  await t.test('is told by the API as a problem, 503 with Retry-After (RFC 9457)', async (t) => {
    for (const [name, send] of Object.entries(problems)) {
      const problem = JSON.parse(await told(t, name, await send(), 'application/problem+json'))
      t.match(problem, { status: 503, code: 'temporarily_unavailable' })
    }
  })

  await t.test('is told by the OAuth endpoints as an OAuth error (RFC 6749 5.2)', async (t) => {
    for (const [name, send] of Object.entries(oauth)) {
      const error = JSON.parse(await told(t, name, await send(), 'application/json'))
      t.match(error, { error: 'temporarily_unavailable', error_description: String }, name)
    }
  })

  await t.test('is told to a person by a page', async (t) => {
    for (const [name, send] of Object.entries(pages)) {
      t.match(await told(t, name, await send(), 'text/html'), /not available for a moment/, name)
    }
  })

  await t.test('is told for every kind of credential, once the process no longer hears of revocations', async (t) => {
    for (const { kind, headers } of held) {
      const seen = new Set<number>()
      const status = await eventually(
        async () => (await server.fetch('/api/me', { headers })).status,
        (answer) => answer === 503 || !seen.add(answer),
        5_000,
      )
      t.equal(status, 503, kind)
      t.ok(
        [...seen].every((each) => each === 200),
        `${kind}: nothing else before`,
      )
    }
  })

  await t.test('leaves alone what needs none', async (t) => {
    t.equal((await server.fetch('/readyz')).status, 503)
    for (const path of [
      '/healthz',
      '/',
      '/assets/app.js',
      '/oauth/jwks',
      '/.well-known/openid-configuration',
      '/.well-known/oauth-protected-resource/api',
      '/api/auth/comparison',
    ]) {
      t.equal((await server.fetch(path)).status, 200, path)
    }
  })

  await t.test('costs nobody a wait who tried to sign in meanwhile (ASVS V6.3.1)', async (t) => {
    for (let i = 0; i < 8; i += 1) {
      t.equal(
        (await server.post('/api/auth/login/jwt', { email: person.email, password: person.password })).status,
        503,
      )
    }
  })

  await t.test('may come back without a restart', async (t) => {
    await proxy.restore()
    t.ok(await becomesReady(server))
    for (const { kind, headers } of held) t.equal((await server.fetch('/api/me', { headers })).status, 200, kind)
    t.equal((await signIn(server, person)).expiresIn, 300)
  })
})

async function repeatAfterOutage(t: Test, refreshes: number) {
  const straight = await startGatehouse(t)
  const proxy = await startProxyTo(t, straight)
  const { SECRET_KEYS } = straight.env
  const { url } = await startServer(t, { DATABASE_URL: proxy.url, SECRET_KEYS, ISSUER: straight.url })
  const server = gatehouseAt(url, straight)
  const person = await makePerson(server)
  const sessions = await Promise.all(Array.from({ length: refreshes }, () => signIn(server, person)))
  const client = await makeClient(straight)
  const { redeem } = await authorize(straight, client, person)
  const { refresh_token = '' } = await redeem()
  const send = () => [
    server.post('/api/auth/login/jwt', { email: person.email, password: person.password }),
    ...sessions.map(({ refreshToken }) => server.post('/api/auth/refresh', { refreshToken })),
    tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token }),
  ]

  await straight.db.transaction(async (tx) => {
    await tx.execute(sql`lock table accounts, first_party_refresh_tokens, provider_models in access exclusive mode`)
    const sent = send()
    // The two that look something up first do so over one connection.
    const expected = Math.min(sent.length - 1, CONNECTIONS)
    const waiting = sql`select 1 from pg_locks where not granted
      and database = (select oid from pg_database where datname = current_database())`
    const blocked = await eventually(
      async () => (await straight.db.execute(waiting)).length,
      (count) => count >= expected,
      5_000,
    )
    t.equal(blocked, expected, 'they wait for the database')
    await proxy.cut()
    for (const response of await Promise.all(sent)) t.equal(response.status, 503)
  })

  await proxy.restore()
  t.ok(await becomesReady(server))
  for (const response of await Promise.all(send())) t.equal(response.status, 200)
}

t.test('requests under way when the database goes away have done nothing, and can be repeated', { skip }, (t) =>
  repeatAfterOutage(t, 1),
)

t.test('so with every connection of the pool in a transaction', { skip }, (t) => repeatAfterOutage(t, CONNECTIONS))

t.test('connections that the database ends are replaced', { skip }, async (t) => {
  const server = await startGatehouse(t)
  const beside = await startGatehouse(t, { beside: server })
  const machine = await makeClient(server, { type: 'machine' })
  const request = () => server.fetch('/oauth/token', { method: 'POST', headers: basic(machine), body: GRANT })
  t.equal((await request()).status, 200)
  await beside.db.execute(sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`)
  const statuses = (await Promise.all([1, 2, 3, 4, 5].map(request))).map(({ status }) => status)
  t.ok(
    statuses.every((status) => status === 200 || status === 503),
    statuses.join(),
  )
  t.ok(await becomesReady(server))
  t.equal((await request()).status, 200)
})

const GRANT = new URLSearchParams({ grant_type: 'client_credentials' })
