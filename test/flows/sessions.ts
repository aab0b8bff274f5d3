import { eq } from 'drizzle-orm'
import { decodeJwt } from 'jose'
import t from 'tap'
import { firstPartyRefreshTokens, firstPartySessions } from '../../src/database/schema.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, type Person, signIn } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const credentials = { email: person.email, password: person.password }

const fromPage = (gatehouse: Gatehouse) => ({ origin: gatehouse.config.issuer, 'sec-fetch-site': 'same-origin' })
const members = (body: object) => Object.keys(body).sort()

function refresh(refreshToken: string, headers?: Record<string, string>) {
  return server.post('/api/auth/refresh', { refreshToken }, headers)
}

/** Signs in as a page of the server's own would; `cookie` is what the browser sends from then on. */
async function signInByPage(gatehouse: Gatehouse, { email, password }: Person, headers: Record<string, string> = {}) {
  const response = await gatehouse.post(
    '/api/auth/login/jwt',
    { email, password },
    { ...fromPage(gatehouse), ...headers },
  )
  return { response, ...cookieOf(response), body: (await response.json()) as { accessToken: string } }
}

/** The cookie of the refresh token; another one, of a device that is known, holds no credential. */
function cookieOf(response: Response) {
  const written = response.headers.getSetCookie().find((line) => /^(__Host-)?gatehouse_refresh=/.test(line))
  const [cookie = '', ...attributes] = (written ?? '').split('; ')
  return { cookie, attributes: attributes.filter((attribute) => !attribute.startsWith('Expires=')).sort() }
}

async function meStatus(accessToken: string): Promise<number> {
  return (await server.fetch('/api/me', { headers: bearer(accessToken) })).status
}

t.test('an app that is no browser gets both tokens in the body and no cookie', async (t) => {
  const { email, password, id } = person
  const response = await server.post('/api/auth/login/jwt', { email, password })
  t.equal(response.status, 200)
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.strictSame(response.headers.getSetCookie(), [])
  const body = (await response.json()) as { accessToken: string }
  t.strictSame(members(body), ['accessToken', 'expiresIn', 'method', 'refreshToken', 'user'])
  t.match(body, { method: 'JWT', accessToken: /^ey/, refreshToken: /^[\w-]{43}$/, expiresIn: 300 })
  t.strictSame((body as { user?: unknown }).user, { id, email, role: 'USER' })
  t.equal(await meStatus(body.accessToken), 200)
})

t.test('roles are in capitals on the wire', async (t) => {
  for (const role of ['admin', 'service'] as const) {
    const { email, password } = await makePerson(server, role)
    const response = await server.post('/api/auth/login/jwt', { email, password })
    t.match(await response.json(), { user: { role: role.toUpperCase() } })
  }
})

t.test('a browser gets the refresh token as an httpOnly cookie, and never in the body (ASVS V3.3.4)', async (t) => {
  const { response, cookie, attributes, body } = await signInByPage(server, person)
  t.equal(response.status, 200)
  t.match(cookie, /^gatehouse_refresh=[\w-]{43}$/)
  t.strictSame(attributes, ['HttpOnly', 'Path=/', 'SameSite=Lax'], 'no Secure on http://localhost')
  t.strictSame(members(body), ['accessToken', 'expiresIn', 'method', 'user'])

  const rotated = await server.post('/api/auth/refresh', {}, { ...fromPage(server), cookie })
  t.equal(rotated.status, 200)
  t.not(cookieOf(rotated).cookie, cookie)
  t.strictSame(cookieOf(rotated).attributes, attributes)
  t.strictSame(members((await rotated.json()) as object), ['accessToken', 'expiresIn'])

  for (const [name, value] of Object.entries(fromPage(server))) {
    const alone = await server.post('/api/auth/login/jwt', credentials, { [name]: value })
    t.match(cookieOf(alone).cookie, /^gatehouse_refresh=/, `${name} alone tells a browser`)
    t.notOk('refreshToken' in ((await alone.json()) as object))
  }
})

t.test(
  'under https the cookie is __Host-, Secure, for the root and without a Domain (ASVS V3.3.1, V3.3.3)',
  async (t) => {
    const secure = await startGatehouse(t, { beside: server, env: { ISSUER: 'https://id.example.com' } })
    const { cookie, attributes } = await signInByPage(secure, person)
    t.match(cookie, /^__Host-gatehouse_refresh=[\w-]{43}$/)
    t.strictSame(attributes, ['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure'])
    const rotated = await secure.post('/api/auth/refresh', {}, { ...fromPage(secure), cookie })
    t.equal(rotated.status, 200)
    t.match(cookieOf(rotated).cookie, /^__Host-gatehouse_refresh=/)
    const out = await secure.post('/api/auth/logout', {}, { ...fromPage(secure), cookie: cookieOf(rotated).cookie })
    t.match(out.headers.getSetCookie()[0], /^__Host-gatehouse_refresh=;.*Path=\/.*Secure/, 'and is cleared as one')
  },
)

t.test('a refresh rotates: the successor works and the body holds what the contract says', async (t) => {
  const first = await signIn(server, person)
  const response = await refresh(first.refreshToken)
  t.equal(response.status, 200)
  t.equal(response.headers.get('cache-control'), 'no-store')
  const second = (await response.json()) as typeof first
  t.strictSame(members(second), ['accessToken', 'expiresIn', 'refreshToken'])
  t.not(second.refreshToken, first.refreshToken)
  t.equal(await meStatus(second.accessToken), 200)
  t.equal((await refresh(second.refreshToken)).status, 200)
})

t.test('a refresh without a token, or with one that was never issued, is refused', async (t) => {
  const none = await server.post('/api/auth/refresh', {})
  t.equal(none.status, 401)
  t.match(await none.json(), { code: 'credential_required' })
  const unknown = await refresh('x'.repeat(43))
  t.equal(unknown.status, 401)
  t.match(await unknown.json(), { code: 'invalid_grant' })
})

t.test('the cookie counts only from our own pages (ASVS V3.5.1)', async (t) => {
  const { cookie } = await signInByPage(server, person)
  const strangers: Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: server.url.replace('http:', 'https:') },
    { origin: `${server.url}.evil.example`, 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    {},
  ]
  for (const path of ['/api/auth/refresh', '/api/auth/logout']) {
    for (const headers of strangers) {
      const refused = await server.post(path, {}, { ...headers, cookie })
      t.equal(refused.status, 403, `${path} from ${JSON.stringify(headers)}`)
      t.match(await refused.json(), { code: 'cross_site_request' })
      t.strictSame(refused.headers.getSetCookie(), [])
    }
  }
  t.equal((await server.post('/api/auth/refresh', {}, { ...fromPage(server), cookie })).status, 200, 'and is unharmed')
})

t.test('another site cannot sign a person in (login CSRF, ASVS V7.6.2)', async (t) => {
  for (const path of ['/api/auth/login/jwt', '/api/auth/register']) {
    const refused = await server.post(path, credentials, { origin: 'https://evil.example' })
    t.equal(refused.status, 403, path)
    t.strictSame(refused.headers.getSetCookie(), [])
  }
})

t.test('replay of a rotated refresh token ends the session and its JWTs at once (RFC 9700 4.14.2)', async (t) => {
  const first = await signIn(server, person)
  const bystander = await signIn(server, person)
  const second = (await (await refresh(first.refreshToken)).json()) as typeof first
  const third = (await (await refresh(second.refreshToken)).json()) as typeof first
  t.equal(await meStatus(third.accessToken), 200)

  const replay = await refresh(first.refreshToken)
  t.equal(replay.status, 401)
  t.match(await replay.json(), { code: 'invalid_grant' })
  t.equal((await refresh(third.refreshToken)).status, 401, 'the newest refresh token is dead')
  for (const { accessToken } of [first, second, third]) t.equal(await meStatus(accessToken), 401)
  t.equal(await meStatus(bystander.accessToken), 200, 'other sessions live on')
})

t.test('a browser whose session is over has its cookie taken away', async (t) => {
  const { cookie } = await signInByPage(server, person)
  const next = cookieOf(await server.post('/api/auth/refresh', {}, { ...fromPage(server), cookie }))
  await server.post('/api/auth/refresh', {}, { ...fromPage(server), cookie: next.cookie })
  const replay = await server.post('/api/auth/refresh', {}, { ...fromPage(server), cookie })
  t.equal(replay.status, 401)
  t.equal(cookieOf(replay).cookie, 'gatehouse_refresh=')
})

t.test(
  'signing out ends the session: JWT and refresh token are refused on the next request (ASVS V7.4.1)',
  async (t) => {
    const { accessToken, refreshToken } = await signIn(server, person)
    const bystander = await signIn(server, person)
    const out = await server.post('/api/auth/logout', {}, bearer(accessToken))
    t.equal(out.status, 200)
    t.strictSame(members((await out.json()) as object), ['message'])
    t.equal(await meStatus(accessToken), 401)
    t.equal((await refresh(refreshToken)).status, 401)
    t.equal((await server.post('/api/auth/logout', {}, bearer(accessToken))).status, 401, 'a second time')
    t.equal(await meStatus(bystander.accessToken), 200, 'other sessions live on')
  },
)

t.test('a browser signs out by its cookie alone', async (t) => {
  const { cookie, body } = await signInByPage(server, person)
  const out = await server.fetch('/api/auth/logout', { method: 'POST', headers: { ...fromPage(server), cookie } })
  t.equal(out.status, 200, 'without a body')
  t.equal(cookieOf(out).cookie, 'gatehouse_refresh=')
  t.equal(await meStatus(body.accessToken), 401)
  t.equal((await server.post('/api/auth/refresh', {}, { ...fromPage(server), cookie })).status, 401)
})

t.test('signing out needs a credential, and leaves an API key as it is', async (t) => {
  t.equal((await server.post('/api/auth/logout', {})).status, 401)
  const { apiKey } = await makeKey(server, person)
  const out = await server.post('/api/auth/logout', {}, { 'x-api-key': apiKey })
  t.equal(out.status, 200)
  t.strictSame(members((await out.json()) as object), ['message'])
  t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': apiKey } })).status, 200)
})

t.test('signing in replaces the session of the browser (ASVS V7.2.4)', async (t) => {
  const before = await signInByPage(server, person)
  const after = await signInByPage(server, person, { cookie: before.cookie })
  t.not(after.cookie, before.cookie)
  t.equal(await meStatus(before.body.accessToken), 401)
  t.equal((await server.post('/api/auth/refresh', {}, { ...fromPage(server), cookie: before.cookie })).status, 401)
  t.equal(await meStatus(after.body.accessToken), 200)

  const failed = await server.post(
    '/api/auth/login/jwt',
    { ...credentials, password: 'not the password' },
    { ...fromPage(server), cookie: after.cookie },
  )
  t.equal(failed.status, 401)
  t.equal(await meStatus(after.body.accessToken), 200, 'a failed sign-in replaces nothing')
})

t.test(
  'a session ends when unused for long, and 30 days after the sign-in in any case (ASVS V7.3.1, V7.3.2)',
  async (t) => {
    const past = { expiresAt: new Date(Date.now() - 1000) }
    const idle = await signIn(server, person)
    const idleId = String(decodeJwt(idle.accessToken).sid)
    await server.db.update(firstPartyRefreshTokens).set(past).where(eq(firstPartyRefreshTokens.sessionId, idleId))
    t.equal((await refresh(idle.refreshToken)).status, 401)

    const old = await signIn(server, person)
    const oldId = String(decodeJwt(old.accessToken).sid)
    await server.db.update(firstPartySessions).set(past).where(eq(firstPartySessions.id, oldId))
    t.equal((await refresh(old.refreshToken)).status, 401)

    const ending = await signIn(server, person)
    const endingId = String(decodeJwt(ending.accessToken).sid)
    const end = Math.floor(Date.now() / 1000) + 60
    const soon = { expiresAt: new Date(end * 1000) }
    await server.db.update(firstPartySessions).set(soon).where(eq(firstPartySessions.id, endingId))
    const last = (await (await refresh(ending.refreshToken)).json()) as { accessToken: string; expiresIn: number }
    t.ok(Number(decodeJwt(last.accessToken).exp) <= end, 'no JWT outlives its session')
    t.ok(last.expiresIn <= 60)
  },
)
