import { eq } from 'drizzle-orm'
import t from 'tap'
import { setDisabled, setRole } from '../../src/accounts/change-account.ts'
import { providerModels } from '../../src/database/schema.ts'
import { createResource } from '../../src/resources/resources.ts'
import { digest } from '../../src/secrets/opaque-token.ts'
import { authorize, makeClient, REDIRECT_URI, type RelyingParty, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, type Person, signIn } from '../fixtures/people.ts'
import { countQueries } from '../fixtures/queries.ts'
import { clientPost, meStatus, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const LEDGER = 'https://ledger.example'
await createResource(server.db, server.url, {
  identifier: LEDGER,
  name: 'Ledger',
  scopes: { 'ledger:read': 'See your ledger' },
  format: 'opaque',
})
const person = await makePerson(server)
const client = await makeClient(server, { accessTokenFormat: 'opaque' })
const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'], accessTokenFormat: 'opaque' })

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly scope: string
  readonly expires_in: number
}

const OPAQUE = /^[\w-]{43}$/
const INACTIVE = { active: false }

async function makeTokens(of = client, owner: Person = person): Promise<Tokens> {
  const { redeem } = await authorize(server, of, owner)
  return (await redeem()) as unknown as Tokens
}

const ask = async (as: RelyingParty, parameters: Record<string, string>) =>
  (await (await tokenRequest(server, as, parameters)).json()) as Tokens
const machineToken = async () => (await ask(machine, { grant_type: 'client_credentials' })).access_token
const refresh = ({ refresh_token }: Tokens, more = {}) =>
  ask(client, { grant_type: 'refresh_token', refresh_token, ...more })
const introspect = async (token: string, as: RelyingParty = client) =>
  (await clientPost(server, '/oauth/introspect', as, { token })).json()
const userinfo = (token: string) => server.fetch('/oauth/userinfo', { headers: bearer(token) })

t.test('a machine with opaque tokens is known at our API as one with JWTs is', async (t) => {
  const token = await machineToken()
  t.match(token, OPAQUE)
  const me = await server.fetch('/api/me', { headers: bearer(token) })
  t.equal(me.status, 200)
  t.match(await me.json(), {
    subject: { kind: 'client', id: machine.id },
    scopes: ['profile:read'],
    credential: { kind: 'access_token' },
  })
  t.match(await introspect(token, machine), { active: true, aud: `${server.url}/api`, client_id: machine.id })
})

t.test('a person gives a client an opaque token, which is refreshed and found by its digest alone', async (t) => {
  const first = await makeTokens()
  t.match(first, { access_token: OPAQUE, scope: /profile:read/, expires_in: 600 })
  const second = await refresh(first)
  t.match(second.access_token, OPAQUE)
  for (const { access_token: token } of [first, second]) {
    const me = await server.fetch('/api/me', { headers: bearer(token) })
    t.match(await me.json(), { subject: { kind: 'account', id: person.id }, clientId: client.id })
    const rows = await server.db
      .select()
      .from(providerModels)
      .where(eq(providerModels.id, digest(token)))
    t.equal(rows.length, 1)
    t.notOk(JSON.stringify(rows).includes(token))
  }
})

t.test('it is one query to check the first time, with whose it is, and none after that', async (t) => {
  for (const token of [(await makeTokens()).access_token, await machineToken()]) {
    const check = async () => t.equal(await meStatus(server, token), 200)
    t.equal(await countQueries(server, check), 1)
    t.equal(await countQueries(server, check), 0)
  }
})

t.test(
  'without openid it is no token for userinfo, nor is one for userinfo good at our API (RFC 8707 2)',
  async (t) => {
    const tokens = await makeTokens()
    const narrow = await refresh(tokens, { scope: 'profile:read' })
    t.equal((await userinfo(narrow.access_token)).status, 403, 'it has no OpenID scope')
    const { access_token: other } = await refresh(narrow, { scope: 'openid email' })
    const seen = await userinfo(other)
    t.equal(seen.status, 200)
    t.match(await seen.json(), { sub: person.id, email: person.email })
    t.equal(await meStatus(server, other), 401)
  },
)

t.test('a client revokes one of its tokens, and no other ends (RFC 7009 2.1)', async (t) => {
  const tokens = await makeTokens()
  const next = await refresh(tokens)
  for (const [token, as] of [
    [tokens.access_token, client],
    [await machineToken(), machine],
  ] as const) {
    t.equal(await meStatus(server, token), 200)
    t.match(await introspect(token, as), { active: true })
    await clientPost(server, '/oauth/revoke', as === client ? machine : client, { token })
    t.equal(await meStatus(server, token), 200, 'another client does not')
    t.equal((await clientPost(server, '/oauth/revoke', as, { token })).status, 200)
    t.equal(await meStatus(server, token), 401)
    t.same(await introspect(token, as), INACTIVE)
  }
  t.equal(await meStatus(server, next.access_token), 200)
  t.match(await refresh(next), { access_token: OPAQUE })
})

t.test('it ends with the refresh token, the grant and the account (RFC 7009 2.1, ASVS V7.4.2)', async (t) => {
  const owner = await makePerson(server)
  const headers = bearer((await signIn(server, owner)).accessToken)
  for (const [what, end] of [
    ['the refresh token', ({ refresh_token: token }: Tokens) => clientPost(server, '/oauth/revoke', client, { token })],
    ['the grant', () => server.fetch(`/api/grants/${client.id}`, { method: 'DELETE', headers })],
    ['the account', () => setDisabled(server.db, owner.id, true, new Date())],
  ] as const) {
    const first = await makeTokens(client, owner)
    const second = await refresh(first)
    for (const { access_token } of [first, second]) t.equal(await meStatus(server, access_token), 200, what)
    await end(second)
    for (const { access_token } of [first, second]) {
      t.equal(await meStatus(server, access_token), 401, what)
      t.same(await introspect(access_token), INACTIVE, what)
    }
    t.match(await refresh(second), { error: 'invalid_grant' }, what)
  }
})

t.test('a code or refresh token that is used twice ends it (OAuth 2.1 4.1.3, 4.3.1)', async (t) => {
  const { redeem } = await authorize(server, client, person)
  const { access_token: ofCode } = await redeem()
  t.equal(await meStatus(server, ofCode), 200)
  await t.rejects(redeem())
  t.equal(await meStatus(server, ofCode), 401)

  const first = await makeTokens()
  const second = await refresh(first)
  const third = await refresh(second)
  t.equal(await meStatus(server, third.access_token), 200)
  t.match(await refresh(first), { error: 'invalid_grant' })
  for (const { access_token } of [first, second, third]) t.equal(await meStatus(server, access_token), 401)
})

t.test('a lowered role counts at once (ASVS V8.3.2)', async (t) => {
  const admin = await makePerson(server, 'admin')
  const powerful = await makeClient(server, { accessTokenFormat: 'opaque', scope: ['openid', 'admin:read'] })
  const { redeem } = await authorize(server, powerful, admin, { parameters: { scope: 'openid admin:read' } })
  const headers = bearer((await redeem()).access_token)
  t.equal((await server.fetch('/api/admin/users', { headers })).status, 200)
  await setRole(server.db, admin.id, 'user', new Date())
  t.equal((await server.fetch('/api/admin/users', { headers })).status, 403)
})

t.test("a client's own format wins over the resource's, which decides where it has none", async (t) => {
  for (const [accessTokenFormat, atOurs, atTheirs] of [
    ['jwt', 3, 3],
    ['opaque', 1, 1],
    [undefined, 3, 1],
  ] as const) {
    const scope = ['profile:read', 'ledger:read']
    const of = await makeClient(server, { type: 'machine', scope, accessTokenFormat })
    const parts = async (more = {}) =>
      (await ask(of, { grant_type: 'client_credentials', ...more })).access_token.split('.').length
    t.equal(await parts(), atOurs)
    t.equal(await parts({ resource: LEDGER }), atTheirs)
  }
})

t.test('no client that registers itself chooses its format (RFC 7591 2)', async (t) => {
  for (const access_token_format of ['opaque', 'jwt', null, 7]) {
    const refused = await register(server, { redirect_uris: [REDIRECT_URI], access_token_format })
    t.equal(refused.status, 400)
    t.match(await refused.json(), { error: 'invalid_client_metadata' })
  }
  const registered = await register(server, { redirect_uris: [REDIRECT_URI] })
  t.notOk('access_token_format' in ((await registered.json()) as object), 'and is told of none')
})
