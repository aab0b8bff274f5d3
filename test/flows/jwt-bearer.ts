import { inspect } from 'node:util'
import { decodeJwt, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { removeAccountKey } from '../../src/account-keys/account-keys.ts'
import { setDisabled, setRole } from '../../src/accounts/change-account.ts'
import { JWT_BEARER } from '../../src/clients/grant-types.ts'
import { createResource } from '../../src/resources/resources.ts'
import { makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { exchange, held, makeExchanger } from '../fixtures/exchange.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { formsOfKey, respellings, WRONG_ALGS } from '../fixtures/jws.ts'
import { part, signAs } from '../fixtures/keys.ts'
import { bearer } from '../fixtures/people.ts'
import { gatehouseAt, startServer } from '../fixtures/processes.ts'
import { assertionGrant, makeService, makeServiceClient } from '../fixtures/service.ts'
import { clientForm, clientPost, meStatus, postAtOnce, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
/** Another process, except on the embedded database, which serves one. */
const there =
  server.env.DATABASE_URL === undefined
    ? await startGatehouse(t, { beside: server })
    : gatehouseAt((await startServer(t, { ...server.env, ISSUER: server.url })).url, server)
const API = `${server.url}/api`
const PARCELS = 'https://parcels.example'
const scopes = { 'parcels:read': 'See your parcels' }
await createResource(server.db, server.url, { identifier: PARCELS, name: 'Parcels', scopes, format: 'opaque' })
const client = await makeServiceClient(server, { serves: [API], scope: ['profile:read', 'keys:read', 'parcels:read'] })
const service = await makeService(server)

t.test('a service account gets an access token by what it signs, with every algorithm (RFC 7523 2.1)', async (t) => {
  for (const alg of ['ES256', 'PS256', 'RS256', 'Ed25519', 'EdDSA']) {
    const { id, assert } = await makeService(server, alg)
    const answer = await openid.genericGrantRequest(client.configuration, JWT_BEARER, { assertion: await assert() })
    t.match(answer, { token_type: 'bearer', scope: 'profile:read keys:read', refresh_token: undefined }, alg)
    t.ok((answer.expires_in ?? 0) > 0 && (answer.expires_in ?? 0) <= 600)
    t.match(decodeJwt(answer.access_token), { sub: id, client_id: client.id, aud: API, iss: server.url })
    const response = await server.fetch('/api/me', { headers: bearer(answer.access_token) })
    t.match(await response.json(), { subject: { kind: 'account', id }, clientId: client.id, role: 'SERVICE' })
  }
  for (const aud of [`${server.url}/oauth/token`, [server.url]]) {
    t.equal((await assertionGrant(server, client, await service.assert({ aud }))).status, 200, inspect(aud))
  }
  for (const typ of ['JWT', 'jwt', 'authorization-grant+jwt']) {
    t.equal((await assertionGrant(server, client, await service.assert({}, { typ }))).status, 200, typ)
  }
})

t.test('for another resource the token is for that, and never wider than client and role (RFC 8707 2)', async (t) => {
  const ask = async (more: Record<string, string>, as = client) =>
    assertionGrant(server, as, await service.assert(), more)
  const atParcels = await ask({ resource: PARCELS })
  t.match(atParcels, { status: 200, scope: 'parcels:read' })
  t.equal(await meStatus(server, atParcels.access_token), 401)
  t.match(await ask({ scope: 'profile:read' }), { status: 200, scope: 'profile:read' })
  const greedy = await makeServiceClient(server, { scope: ['admin:read', 'profile:read'] })
  for (const scope of ['admin:read', 'keys:read', 'openid', 'nonsense']) {
    t.equal((await ask({ scope }, greedy)).error, 'invalid_scope', scope)
  }
  t.equal((await ask({}, greedy)).scope, 'profile:read')
  t.equal((await ask({ resource: 'https://unknown.example' })).error, 'invalid_target')
})

t.test('a client that was not given the grant type gets nothing (RFC 6749 5.2)', async (t) => {
  const plain = await makeClient(server, { type: 'machine' })
  t.equal((await assertionGrant(server, plain, await service.assert())).error, 'unauthorized_client')
  const wrong = await assertionGrant(server, { ...client, secret: 'wrong' }, await service.assert())
  t.match(wrong, { status: 401, error: 'invalid_client' })
  const grant_types = [JWT_BEARER, 'authorization_code']
  t.equal((await register(server, { redirect_uris: [REDIRECT_URI], grant_types })).status, 400, 'nor does one take it')
})

async function isRefused(t: Test, assertion: string, name: string): Promise<void> {
  const { status, error } = await assertionGrant(server, client, assertion)
  t.match({ status, error }, { status: 400, error: /^invalid_(grant|request)$/ }, name)
}

t.test('an assertion with other claims is refused (RFC 7523 3)', async (t) => {
  const other = await makeService(server)
  const now = Math.floor(Date.now() / 1000)
  const changes: Record<string, unknown>[] = [
    ...['https://other.example', `${server.url}/`, API, client.id, [], [server.url, 'https://other.example']].map(
      (aud) => ({ aud }),
    ),
    ...['', null, undefined, {}, 1].map((aud) => ({ aud })),
    ...[other.id, client.id, 'x', '', null, undefined, [service.id], `${service.id}\0`].flatMap((name) => [
      { iss: name },
      { sub: name },
    ]),
    { iss: other.id, sub: other.id },
    ...[now - 60, 0, -1, 1e308, now + 3600, `${now + 60}`, null, undefined].map((exp) => ({ exp })),
    ...[now + 3600, `${now}`].map((nbf) => ({ nbf })),
    ...['', 1, [], {}, null, undefined].map((jti) => ({ jti })),
  ]
  for (const change of changes) await isRefused(t, await service.assert(change), inspect(change))
  for (const wrong of ['', 'garbage', 'a.b.c', 'a\0', `${part({ alg: 'ES256', kid: service.kid })}.${part(null)}.AAAA`])
    await isRefused(t, wrong, wrong)
})

t.test('another key, algorithm or type is refused (RFC 8725 2.1, 3.1, 3.11)', async (t) => {
  const stranger = await generateKeyPair('ES256')
  const other = await makeService(server)
  const header = { alg: 'ES256', kid: service.kid }
  const sign = (key = stranger.privateKey, more = {}) =>
    new SignJWT(service.claims()).setProtectedHeader({ ...header, ...more }).sign(key)
  await isRefused(t, await sign(), 'a stranger’s key')
  await isRefused(t, await sign(other.privateKey), 'another account’s key')
  await isRefused(t, await sign(other.privateKey, { kid: other.kid }), 'and its name')
  await isRefused(t, await sign(stranger.privateKey, { jwk: other.jwk }), 'a key of its own')
  for (const kid of [undefined, '', 'x', `${service.kid}\0`, 1, null]) {
    await isRefused(t, await service.assert({}, { kid }), `kid ${kid}`)
  }
  await isRefused(t, new UnsecuredJWT(service.claims()).encode(), 'none')
  for (const alg of WRONG_ALGS) {
    await isRefused(t, `${part({ ...header, alg })}.${part(service.claims())}.AAAA`, `alg ${alg}`)
  }
  for (const [form, secret] of await formsOfKey(service.jwk)) {
    const forged = new SignJWT(service.claims()).setProtectedHeader({ ...header, alg: 'HS256' })
    await isRefused(t, await forged.sign(Buffer.from(secret)), `HS256, ${form}`)
  }
  const types = [
    'at+jwt',
    'dpop+jwt',
    'first-party+jwt',
    'client-authentication+jwt',
    'oauth-authz-req+jwt',
    '',
    1,
    null,
  ]
  for (const typ of types) await isRefused(t, await service.assert({}, { typ }), `typ ${typ}`)
  await isRefused(t, await service.assert({}, { crit: ['b64'], b64: true }), 'crit')
  for (const purpose of ['authorization_server', 'first_party'] as const) {
    await isRefused(t, await signAs(server, service.claims(), { kid: service.kid }, purpose), 'a key of ours')
  }
  const good = await service.assert()
  for (const [name, spelling] of Object.entries(respellings(good))) await isRefused(t, spelling, name)
  t.equal((await assertionGrant(server, client, good)).status, 200, 'which none of them used up')
})

t.test('an assertion is of no use elsewhere, nor a client’s here (RFC 8725 3.8)', async (t) => {
  const assertion = await service.assert()
  t.equal(await meStatus(server, assertion), 401)
  const form = { grant_type: 'client_credentials', client_assertion: assertion }
  const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  const response = await server.fetch('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({ ...form, client_assertion_type: type }),
  })
  t.equal(response.status, 401)
  const introspected = await clientPost(server, '/oauth/introspect', client, { token: assertion })
  t.same(await introspected.json(), { active: false })
})

t.test('an assertion is good once, also for those who send it at once to two processes (RFC 7523 3)', async (t) => {
  const count = server.env.DATABASE_URL === undefined ? 10 : 40
  for (let round = 0; round < 3; round += 1) {
    const form = clientForm(client, { grant_type: JWT_BEARER, assertion: await service.assert() })
    const answers = await postAtOnce([server, there], '/oauth/token', count, form)
    t.equal(answers.filter(({ status }) => status === 200).length, 1)
    t.ok(answers.every(({ status, body }) => status === 200 || body.error === 'invalid_grant'))
  }
  const failed = await service.assert()
  t.equal((await assertionGrant(server, client, failed, { scope: 'nonsense' })).error, 'invalid_scope')
  t.equal((await assertionGrant(server, client, failed)).error, 'invalid_grant', 'a request that fails uses it up, too')
})

t.test('what it got ends with the key, the account or its role, on every process (ASVS V7.4.2)', async (t) => {
  const exchanger = await makeExchanger(server)
  const ends = {
    key: ({ id, kid }: typeof service) => removeAccountKey(server.db, id, kid, new Date()),
    account: ({ id }: typeof service) => setDisabled(server.db, id, true, new Date()),
    role: ({ id }: typeof service) => setRole(server.db, id, 'user', new Date()),
  }
  for (const [name, end] of Object.entries(ends)) {
    for (const accessTokenFormat of ['jwt', 'opaque'] as const) {
      const own = await makeService(server)
      const as = await makeServiceClient(server, { accessTokenFormat })
      const first = await assertionGrant(server, as, await own.assert())
      const child = await exchange(server, exchanger, held(first))
      const tokens = [first.access_token, child.access_token]
      for (const each of [server, there]) for (const token of tokens) t.equal(await meStatus(each, token), 200, name)
      await end(own)
      for (const token of tokens) {
        t.equal(await meStatus(server, token), 401, name)
        const answer = await eventually(
          () => meStatus(there, token),
          (status) => status === 401,
          1_000,
        )
        t.equal(answer, 401, `${name}, there`)
      }
      t.equal((await assertionGrant(server, as, await own.assert())).error, 'invalid_grant', 'and it gets no other')
    }
  }
})
