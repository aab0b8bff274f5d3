import { randomUUID } from 'node:crypto'
import t from 'tap'
import { setRole } from '../../src/accounts/change-account.ts'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'

interface Listed {
  readonly id: string
  readonly lastUsedAt: string | null
  readonly lastUsedFrom: string | null
}

const server = await startGatehouse(t)
const person = await makePerson(server)
const owner = bearer((await signIn(server, person)).accessToken)

const generate = (body: unknown, headers: Record<string, string> = owner) =>
  server.post('/api/auth/apikey/generate', body, headers)
const rotate = (id: string, headers: Record<string, string>, body: unknown = {}) =>
  server.post(`/api/keys/${id}/rotate`, body, headers)
const revoke = (id: string, headers: Record<string, string>) =>
  server.fetch(`/api/keys/${id}`, { method: 'DELETE', headers })

async function list(headers: Record<string, string>): Promise<Listed[]> {
  const response = await server.fetch('/api/keys', { headers })
  return ((await response.json()) as { keys: Listed[] }).keys
}

t.test("another account's key does not exist for who asks, an administrator or not (ASVS V8.2.2)", async (t) => {
  const { apiKey, id } = await makeKey(server, person)
  for (const role of ['user', 'admin'] as const) {
    const stranger = bearer((await signIn(server, await makePerson(server, role))).accessToken)
    t.notOk((await list(stranger)).some((key) => key.id === id))
    const answers = [await revoke(id, stranger), await rotate(id, stranger)]
    const unknown = await revoke(randomUUID(), stranger)
    const body = await unknown.json()
    t.match(body, { status: 404, code: 'not_found' })
    for (const answer of answers) {
      t.equal(answer.status, 404)
      t.strictSame(await answer.json(), body, 'as if it had never been made')
    }
  }
  t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': apiKey } })).status, 200, 'and is unharmed')
})

t.test('an identifier that is none is refused', async (t) => {
  const uuid = randomUUID()
  for (const id of ['1', `${uuid}0`, `urn:uuid:${uuid}`, '%27%20or%20true--', '..%2f..', '-'.repeat(36)]) {
    for (const answer of [await revoke(id, owner), await rotate(id, owner)]) {
      t.equal(answer.status, 400, id)
      t.match(await answer.json(), { code: 'invalid_request' })
    }
  }
})

t.test('members that are not of the request are refused, not taken (ASVS V8.2.3)', async (t) => {
  const { id } = await makePerson(server)
  const before = (await list(owner)).length
  const extras = { accountId: id, userId: id, id, scope: ['admin:read'], scopes: ['admin:read'], role: 'ADMIN' }
  for (const [name, value] of Object.entries({ ...extras, expiresAt: '2099-01-01', digest: 'x', prefix: 'x' })) {
    t.equal((await generate({ name: 'a script', [name]: value })).status, 400, name)
  }
  t.equal((await list(owner)).length, before)
  const key = await makeKey(server, person)
  for (const [name, value] of Object.entries({ ...extras, permissions: ['admin:read'], expiresInDays: 365 })) {
    t.equal((await rotate(key.id, owner, { [name]: value })).status, 400, name)
  }
})

t.test('a key cannot generate a key', async (t) => {
  const { apiKey } = await makeKey(server, person, ['profile:read', 'keys:read', 'keys:write'])
  for (const headers of [{ 'x-api-key': apiKey }, bearer(apiKey)]) {
    const refused = await generate({ name: 'offspring' }, headers)
    t.equal(refused.status, 403)
    t.match(await refused.json(), { code: 'credential_not_accepted' })
  }
})

t.test('nobody obtains by rotation what they do not hold', async (t) => {
  const strong = await makeKey(server, person, ['profile:read', 'keys:write'])
  const weak = await makeKey(server, person, ['keys:write'])
  const client = await makeClient(server, { scope: ['keys:write'] })
  const tokens = await (await authorize(server, client, person, { parameters: { scope: 'keys:write' } })).redeem()

  for (const headers of [{ 'x-api-key': weak.apiKey }, bearer(tokens.access_token)]) {
    const refused = await rotate(strong.id, headers)
    t.equal(refused.status, 403)
    t.match(await refused.json(), { code: 'insufficient_scope' })
    t.match(refused.headers.get('www-authenticate'), /scope="profile:read"/)
  }
  t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': strong.apiKey } })).status, 200, 'it lives on')
  t.equal((await rotate(weak.id, { 'x-api-key': weak.apiKey })).status, 201, 'a key may rotate itself')
})

t.test('a list tells when and from where a key was last used', async (t) => {
  const { apiKey, id } = await makeKey(server, person)
  const seen = async () => (await list(owner)).find((key) => key.id === id)
  t.match(await seen(), { lastUsedAt: null, lastUsedFrom: null })

  const other = await startGatehouse(t, { beside: server, env: { TRUST_PROXY: '127.0.0.1' } })
  const before = Date.now()
  await other.fetch('/api/me', { headers: { 'x-api-key': apiKey, 'x-forwarded-for': '192.0.2.44' } })
  const after = Date.now()
  await other.app.close()
  const { lastUsedAt, lastUsedFrom } = (await seen()) ?? {}
  t.equal(lastUsedFrom, '192.0.2.44')
  const usedAt = Date.parse(lastUsedAt ?? '')
  t.ok(usedAt >= before && usedAt <= after)
})

t.test("a key's administrator scopes end with the role of its owner, on the next request (ASVS V8.3.2)", async (t) => {
  const admin = await makePerson(server, 'admin')
  const { apiKey } = await makeKey(server, admin, ['profile:read', 'admin:read', 'admin:write'])
  const headers = { 'x-api-key': apiKey }
  t.equal((await server.fetch('/api/admin/users', { headers })).status, 200)
  for (const role of ['user', 'service'] as const) {
    await setRole(server.db, admin.id, role, new Date())
    t.equal((await server.fetch('/api/admin/users', { headers })).status, 403, role)
    const me = (await (await server.fetch('/api/me', { headers })).json()) as { scopes: string[]; role: string }
    t.strictSame(me.scopes, ['profile:read'])
    t.equal(me.role, role.toUpperCase())
  }
})
