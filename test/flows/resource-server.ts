import { readFile } from 'node:fs/promises'
import { decodeJwt, importJWK, SignJWT } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { deleteClient } from '../../src/clients/clients.ts'
import { revokeGrants } from '../../src/grants/grants.ts'
import { loadSigningKeys } from '../../src/keys/signing-keys.ts'
import { createResource } from '../../src/resources/resources.ts'
import { createSealer } from '../../src/secrets/sealed.ts'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson, signIn } from '../fixtures/people.ts'
import { startResourceServer } from '../fixtures/resource-server.ts'

const server = await startGatehouse(t)
const orders = await startResourceServer(t, server.url)
const scopes = { 'orders:read': 'See your orders', 'orders:write': 'Place orders' }
await createResource(server.db, server.url, { identifier: orders.identifier, name: 'Orders', scopes, format: 'jwt' })
const person = await makePerson(server)

/** As much as two polls and what a process may hear late. */
const TWO_POLLS_MS = 3_000
const refused = (token: string) =>
  eventually(
    () => orders.status(token),
    (status) => status === 401,
    TWO_POLLS_MS,
  )

async function machine(scope = ['orders:read', 'profile:read']) {
  const client = await makeClient(server, { type: 'machine', scope })
  const ask = async (resource = orders.identifier) =>
    (await openid.clientCredentialsGrant(client.configuration, { resource })).access_token
  return { client, ask }
}

async function granted() {
  const client = await makeClient(server, { scope: ['openid', 'orders:read'] })
  const parameters = { resource: orders.identifier, scope: 'openid orders:read' }
  const { access_token } = await (await authorize(server, client, person, { parameters })).redeem()
  return { client, token: access_token }
}

t.test('the example is one file of fewer than 60 lines, on jose alone', async (t) => {
  const source = await readFile('examples/resource-server/server.mjs', 'utf8')
  t.ok(source.trimEnd().split('\n').length < 60)
  const imported = [...source.matchAll(/from '([^']+)'/g)].map(([, name]) => name)
  t.same(
    imported.filter((name) => !name?.startsWith('node:')),
    ['jose'],
  )
})

t.test('it lets a machine and a person in, by a token for it with the scope', async (t) => {
  t.equal(await orders.status(await (await machine()).ask()), 200)
  const { token, client } = await granted()
  const response = await orders.fetch('/orders', { headers: { authorization: `bearer ${token}` } })
  t.match(await response.json(), { for: person.id, by: client.id })
})

t.test('without a token it says where to get one (RFC 6750 3, RFC 9728 5.1)', async (t) => {
  for (const headers of [{}, { authorization: 'Basic eDp5' }, { authorization: 'Bearer a b' }]) {
    const response = await orders.fetch('/orders', { headers: headers as Record<string, string> })
    t.equal(response.status, 401)
    const [, metadata = ''] = /^Bearer resource_metadata="([^"]+)", scope="orders:read"$/.exec(
      response.headers.get('www-authenticate') ?? '',
    ) as RegExpExecArray
    t.same(await (await fetch(metadata)).json(), {
      resource: orders.identifier,
      authorization_servers: [server.url],
    })
  }
})

t.test('a scope that is missing is 403 and named (RFC 6750 3.1)', async (t) => {
  const authorization = `Bearer ${await (await machine()).ask()}`
  const response = await orders.fetch('/orders', { method: 'POST', headers: { authorization } })
  t.equal(response.status, 403)
  t.match(response.headers.get('www-authenticate'), 'error="insufficient_scope", scope="orders:write"')
})

t.test('what is not for it, not of its type or not of its issuer is refused (RFC 9068 4)', async (t) => {
  const { ask } = await machine()
  const good = await ask()
  const keys = await loadSigningKeys(server.db, createSealer(server.config.secretKeys ?? []))
  const signing = keys.find(
    ({ purpose, alg, activatedAt }) => purpose === 'authorization_server' && alg === 'ES256' && activatedAt,
  )
  const forge = async (header: object, claims: object) =>
    new SignJWT({ ...decodeJwt(good), ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: signing?.kid, ...header })
      .sign(await importJWK(signing?.privateJwk ?? {}, 'ES256'))
  t.equal(await orders.status(await forge({}, {})), 200, 'what is forged here is otherwise good')
  for (const [what, token] of [
    ['for our API', await ask(`${server.url}/api`)],
    ['a first-party JWT', (await signIn(server, person)).accessToken],
    ['another type', await forge({ typ: 'jwt' }, {})],
    ['a status list', await forge({ typ: 'statuslist+jwt' }, {})],
    ['another issuer', await forge({}, { iss: 'https://other.example' })],
    ['over', await forge({}, { exp: 1 })],
    ['without an end', await forge({}, { exp: undefined })],
    ['without a status', await forge({}, { status: undefined })],
    [
      'with a status elsewhere',
      await forge({}, { status: { status_list: { idx: 0, uri: 'https://other.example/0' } } }),
    ],
    ['with a status beyond the list', await forge({}, withIdx(good, 2 ** 18))],
    ['with a status that is none', await forge({}, withIdx(good, -1))],
    ['bound to a key', await forge({}, { cnf: { jkt: 'x' } })],
    ['another signature', `${good.slice(0, -4)}AAAA`],
    ['no JWT', 'x'],
  ] as const) {
    t.equal(await orders.status(token), 401, what)
  }
})

const withIdx = (token: string, idx: number) => {
  const { status_list } = decodeJwt(token).status as { status_list: object }
  return { status: { status_list: { ...status_list, idx } } }
}

t.test('what is revoked is refused within two polls: a grant, a client, a token', async (t) => {
  const grant = await granted()
  const other = await granted()
  const client = await machine()
  const ofClient = await client.ask()
  const self = await machine()
  const ofItself = await self.ask()
  for (const token of [grant.token, other.token, ofClient, ofItself]) t.equal(await orders.status(token), 200)
  await revokeGrants(server.db, person.id, grant.client.id, new Date())
  await deleteClient(server.db, client.client.id, new Date())
  await openid.tokenRevocation(self.client.configuration, ofItself)
  for (const token of [grant.token, ofClient, ofItself]) t.equal(await refused(token), 401)
  t.equal(await orders.status(other.token), 200, 'and nothing else')
  t.equal(await orders.status(await self.ask()), 200, 'a new token of the client is good')
})

t.test('while its list cannot be had, every token is refused', async (t) => {
  const token = await (await machine()).ask()
  t.equal(await orders.status(token), 200)
  server.app.server.closeAllConnections()
  await server.app.close()
  t.equal(await refused(token), 401)
  t.equal(await orders.status(token), 401)
})
