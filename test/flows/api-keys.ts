import { randomUUID } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { apiKeys, firstPartySessions } from '../../src/database/schema.ts'
import { digest } from '../../src/secrets/opaque-token.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'

interface Issued {
  readonly apiKey: string
  readonly id: string
  readonly prefix: string
  readonly scopes: string[]
  readonly expiresAt: string
}
const DAY_MS = 24 * 60 * 60 * 1000
const server = await startGatehouse(t)
const person = await makePerson(server)
const owner = bearer((await signIn(server, person)).accessToken)
const admin = await makePerson(server, 'admin')
const adminOwner = bearer((await signIn(server, admin)).accessToken)

const generate = (body: unknown, headers: Record<string, string> = owner) =>
  server.post('/api/auth/apikey/generate', body, headers)
const rotate = (id: string, body: unknown, headers: Record<string, string> = owner) =>
  server.post(`/api/keys/${id}/rotate`, body, headers)
const revoke = (id: string, headers: Record<string, string> = owner) =>
  server.fetch(`/api/keys/${id}`, { method: 'DELETE', headers })
const meStatus = async (apiKey: string) => (await server.fetch('/api/me', { headers: { 'x-api-key': apiKey } })).status

async function list() {
  const response = await server.fetch('/api/keys', { headers: owner })
  return ((await response.json()) as { keys: { id: string; expiresAt: string }[] }).keys
}

t.test('an account generates a key, which is shown this once', async (t) => {
  const before = Date.now()
  const response = await generate({ name: 'deploy', permissions: ['profile:read', 'keys:write'], expiresInDays: 30 })
  t.equal(response.status, 201)
  t.equal(response.headers.get('cache-control'), 'no-store')
  const body = (await response.json()) as Issued
  t.strictSame(Object.keys(body).sort(), ['apiKey', 'expiresAt', 'id', 'message', 'prefix', 'scopes', 'warning'])
  t.match(body.apiKey, /^gk_live_[0-9A-Za-z]{49}$/)
  t.ok(body.apiKey.startsWith(body.prefix))
  t.strictSame(body.scopes, ['profile:read', 'keys:write'])
  const lifetime = Date.parse(body.expiresAt) - before
  t.ok(lifetime >= 30 * DAY_MS && lifetime < 30 * DAY_MS + 60_000, 'expires when asked to')

  const listing = await (await server.fetch('/api/keys', { headers: owner })).text()
  t.match(listing, body.id)
  t.notMatch(listing, body.apiKey)
})

t.test('the database and the log hold no usable key', async (t) => {
  const { apiKey, id } = await makeKey(server, person)
  t.equal(await meStatus(apiKey), 200)
  const [row] = await server.db.select().from(apiKeys).where(eq(apiKeys.id, id))
  t.equal(row?.digest, digest(apiKey))
  const secret = apiKey.slice('gk_live_'.length + 4)
  t.notMatch(JSON.stringify(row), secret)
  t.notMatch(server.log.join('\n'), secret)
})

t.test('making a key takes a sign-in of the last 15 minutes (ASVS V7.5.3, RFC 9470 3)', async (t) => {
  const late = await makePerson(server)
  const { refreshToken } = await signIn(server, late)
  const authenticatedAt = new Date(Date.now() - 16 * 60_000)
  await server.db.update(firstPartySessions).set({ authenticatedAt }).where(eq(firstPartySessions.accountId, late.id))
  const refreshed = await (await server.post('/api/auth/refresh', { refreshToken })).json()
  const { accessToken } = refreshed as { accessToken: string }
  const refused = await generate({ name: 'too late' }, bearer(accessToken))
  t.equal(refused.status, 401)
  t.match(await refused.json(), { code: 'insufficient_user_authentication' })
  t.match(refused.headers.get('www-authenticate'), /^Bearer error="insufficient_user_authentication".*max_age="900"/)
  t.equal((await server.fetch('/api/me', { headers: bearer(accessToken) })).status, 200, 'which ends nothing')
  t.equal((await generate({ name: 'in time' }, bearer((await signIn(server, late)).accessToken))).status, 201)
})

t.test('a key is taken as X-API-Key and as a Bearer token', async (t) => {
  const { apiKey } = await makeKey(server, person)
  for (const headers of [{ 'x-api-key': apiKey }, bearer(apiKey)]) {
    const me = await server.fetch('/api/me', { headers })
    t.equal(me.status, 200)
    t.match(await me.json(), { subject: { kind: 'account', id: person.id }, credential: { kind: 'api_key' } })
  }
})

t.test('a key with one character changed, cut or doubled is refused', async (t) => {
  const { apiKey } = await makeKey(server, person)
  const last = apiKey.at(-1) === 'x' ? 'y' : 'x'
  for (const other of [apiKey.slice(0, -1) + last, apiKey.slice(0, -1), `${apiKey}0`, `${apiKey},${apiKey}`]) {
    t.equal(await meStatus(other), 401, other.slice(-8))
  }
})

t.test('a key that names no permissions can only read', async (t) => {
  for (const permissions of [undefined, []]) {
    for (const headers of [owner, adminOwner]) {
      const { scopes } = (await (await generate({ name: 'reader', permissions }, headers)).json()) as Issued
      t.ok(scopes.length > 0)
      t.strictSame(
        scopes.filter((scope) => !scope.endsWith(':read')),
        [],
      )
    }
  }
})

t.test('a key can do no more than its owner, and only what there is', async (t) => {
  for (const permissions of [
    ['admin:read'],
    ['profile:read', 'admin:write'],
    ['unknown:scope'],
    ['constructor'],
    [''],
  ]) {
    const refused = await generate({ name: 'greedy', permissions })
    t.equal(refused.status, 400, permissions.join())
    t.match(await refused.json(), { code: 'invalid_scope' })
  }
  t.equal((await generate({ name: 'for an administrator', permissions: ['admin:read'] }, adminOwner)).status, 201)
})

t.test('an expired key is refused', async (t) => {
  const { apiKey, id } = await makeKey(server, person)
  await server.db
    .update(apiKeys)
    .set({ expiresAt: new Date(Date.now() - 1000) })
    .where(eq(apiKeys.id, id))
  t.equal(await meStatus(apiKey), 401)
  t.equal((await rotate(id, {})).status, 404, 'and cannot be rotated back to life')
  for (const expiresInDays of [0, -1, 366, 1.5, '30', null]) {
    t.equal((await generate({ name: 'never', expiresInDays })).status, 400, JSON.stringify(expiresInDays))
  }
})

t.test('a revoked key is refused on the next request and gone from the list', async (t) => {
  const { apiKey, id } = await makeKey(server, person)
  t.equal(await meStatus(apiKey), 200)
  t.equal((await revoke(id)).status, 200)
  t.equal(await meStatus(apiKey), 401)
  t.notOk((await list()).some((key) => key.id === id))
  t.equal((await revoke(id)).status, 404, 'a second time')
  t.equal((await rotate(id, {})).status, 404)
})

t.test('rotation returns a new key; the old one stays valid for the overlap and no longer', async (t) => {
  const old = await makeKey(server, person, ['profile:read', 'keys:write'])
  const before = Date.now()
  const response = await rotate(old.id, { overlapSeconds: 60 })
  t.equal(response.status, 201)
  const issued = (await response.json()) as Issued
  t.not(issued.apiKey, old.apiKey)
  t.not(issued.id, old.id)
  t.strictSame(issued.scopes, old.scopes)
  t.equal(await meStatus(issued.apiKey), 200)
  t.equal(await meStatus(old.apiKey), 200, 'within the overlap')

  const overlap = Date.parse((await list()).find(({ id }) => id === old.id)?.expiresAt ?? '') - before
  t.ok(overlap >= 60_000 && overlap < 120_000)
  await server.db
    .update(apiKeys)
    .set({ expiresAt: new Date(Date.now() - 1) })
    .where(eq(apiKeys.id, old.id))
  t.equal(await meStatus(old.apiKey), 401, 'after it')
})

t.test('a key has one successor, also when it is rotated many times at once', async (t) => {
  const old = await makeKey(server, person)
  const answers = await Promise.all(Array.from({ length: 20 }, () => rotate(old.id, { overlapSeconds: 60 })))
  t.strictSame(answers.map(({ status }) => status).sort(), [201, ...Array.from({ length: 19 }, () => 404)])
  t.equal((await rotate(old.id, {})).status, 404, 'nor later, while it lives on')
  t.equal(await meStatus(old.apiKey), 200)
  t.equal((await revoke(old.id)).status, 200, 'but it can be revoked before its time')
  t.equal(await meStatus(old.apiKey), 401)
})

t.test('without an overlap the old key ends at once, and the lifetime is that of the old one', async (t) => {
  for (const body of [{}, { overlapSeconds: 0 }, undefined]) {
    const old = (await (await generate({ name: 'nightly', expiresInDays: 7 })).json()) as Issued
    const response =
      body === undefined
        ? await server.fetch(`/api/keys/${old.id}/rotate`, { method: 'POST', headers: owner })
        : await rotate(old.id, body)
    t.equal(response.status, 201, JSON.stringify(body))
    const issued = (await response.json()) as Issued
    t.equal(await meStatus(old.apiKey), 401)
    t.equal(await meStatus(issued.apiKey), 200)
    const lifetime = Date.parse(issued.expiresAt) - Date.now()
    t.ok(lifetime > 6.9 * DAY_MS && lifetime <= 7 * DAY_MS)
  }
  for (const overlapSeconds of [-1, 604_801, 0.5, '60']) {
    t.equal((await rotate(randomUUID(), { overlapSeconds })).status, 400, JSON.stringify(overlapSeconds))
  }
})

t.test('a key begins with API_KEY_PREFIX', async (t) => {
  const other = await startGatehouse(t, { beside: server, env: { API_KEY_PREFIX: 'acme_test_' } })
  const issued = await makeKey(other, person)
  t.match(issued.apiKey, /^acme_test_[0-9A-Za-z]{49}$/)
  t.equal((await other.fetch('/api/me', { headers: bearer(issued.apiKey) })).status, 200)
  t.equal(await meStatus(issued.apiKey), 401, 'and is none under another prefix')
})
