import { decodeJwt } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { TOKEN_EXCHANGE } from '../../src/clients/grant-types.ts'
import { createResource } from '../../src/resources/resources.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { authorize, makeClient, REDIRECT_URI, tokenRequest } from '../fixtures/clients.ts'
import { accessToken, apiKey, firstPartyJwt, machineToken, makeOneOfEach } from '../fixtures/credentials.ts'
import { ACCESS_TOKEN_TYPE, claimsOf, exchange, held, makeExchanger, tokenType } from '../fixtures/exchange.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { signAs } from '../fixtures/keys.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'
import { meStatus, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const API = `${server.url}/api`
const [PARCELS, DEPOT] = ['https://parcels.example', 'https://depot.example']
const scopes = { 'parcels:read': 'See your parcels', 'parcels:write': 'Send parcels' }
await createResource(server.db, server.url, { identifier: PARCELS, name: 'Parcels', scopes, format: 'jwt' })
const depot = { identifier: DEPOT, name: 'Depot', scopes, format: 'opaque' } as const
await createResource(server.db, server.url, depot)
const gateway = await makeExchanger(server)

const me = async (token: string) =>
  (await (await server.fetch('/api/me', { headers: bearer(token) })).json()) as Record<string, unknown>

t.test('every credential is exchanged for an access token, by a library (RFC 8693 2.1, 2.2.1)', async (t) => {
  for (const { kind, token, person, clientId } of await makeOneOfEach(server)) {
    const answer = await openid.genericGrantRequest(gateway.configuration, TOKEN_EXCHANGE, {
      subject_token: token,
      subject_token_type: tokenType(kind),
      resource: API,
      scope: 'profile:read',
    })
    t.match(answer, { token_type: 'bearer', issued_token_type: ACCESS_TOKEN_TYPE, scope: 'profile:read' }, kind)
    const subject = person?.id ?? clientId
    const claims = decodeJwt(answer.access_token)
    t.match(claims, { sub: subject, client_id: gateway.id, aud: API, iss: server.url, scope: 'profile:read' })
    t.same(claims.act, { sub: gateway.id }, 'and who acts (RFC 8693 4.1)')
    const parentEnd = token.split('.').length === 3 ? Number(decodeJwt(token).exp) : Number.POSITIVE_INFINITY
    t.ok(Number(claims.exp) <= parentEnd, 'it lasts no longer')
    t.ok((answer.expires_in ?? 0) > 0 && (answer.expires_in ?? 0) <= 600)
    t.match(await me(answer.access_token), {
      subject: { kind: person === undefined ? 'client' : 'account', id: subject },
      clientId: gateway.id,
      credential: { kind: 'access_token' },
      scopes: ['profile:read'],
    })
    t.notMatch(JSON.stringify(claims), token, 'the credential itself is not in it')
  }
})

t.test('without a scope it is all that both may, without a target the one it was for (RFC 8693 2.1)', async (t) => {
  const key = await apiKey(server)
  const answer = await exchange(server, gateway, key)
  t.equal(answer.scope, 'profile:read keys:read', 'which is what the key has')
  t.equal(claimsOf(answer.access_token).aud, API)
  t.equal((await exchange(server, gateway, key, { audience: API, resource: API })).status, 200, 'said twice')
})

t.test('it is never wider than the credential, its owner, the client or the resource (RFC 8693 5)', async (t) => {
  const admin = await makePerson(server, 'admin')
  const user = await makePerson(server)
  const narrow = await makeExchanger(server, { scope: ['keys:read'] })
  const jwt = async (person: typeof user) => ({
    kind: 'first_party_jwt',
    token: (await signIn(server, person)).accessToken,
  })
  const key = { kind: 'api_key', token: (await makeKey(server, admin, ['profile:read'])).apiKey }
  const wide = { kind: 'api_key', token: (await makeKey(server, admin, ['profile:read', 'admin:read'])).apiKey }
  const beyond: [string, Awaited<ReturnType<typeof exchange>>][] = [
    ['the key has it not', await exchange(server, gateway, key, { scope: 'profile:read keys:read' })],
    ['its owner may, the key not', await exchange(server, gateway, key, { scope: 'admin:read' })],
    ['the account may not', await exchange(server, gateway, await jwt(user), { scope: 'admin:read' })],
    ['the client may not', await exchange(server, narrow, await jwt(user), { scope: 'profile:read' })],
    ['nobody knows it', await exchange(server, gateway, await jwt(user), { scope: 'nonsense' })],
    ['no scope of an API', await exchange(server, gateway, await jwt(user), { scope: 'openid' })],
    ['of another resource', await exchange(server, gateway, await jwt(user), { scope: 'parcels:read' })],
    ['nothing is left', await exchange(server, gateway, wide, { resource: PARCELS })],
  ]
  for (const [message, { status, error }] of beyond)
    t.same({ status, error }, { status: 400, error: 'invalid_scope' }, message)

  const once = await exchange(server, gateway, wide, { scope: 'profile:read' })
  t.equal((await exchange(server, gateway, held(once), { scope: 'admin:read' })).error, 'invalid_scope', 'nor later')
  const whole = await exchange(server, gateway, wide, { scope: 'admin:read' })
  const users = async () => (await server.fetch('/api/admin/users', held(whole))).status
  t.equal(await users(), 200, 'an administrator’s')
})

t.test('it never lasts longer than what it came of, also by way of another (RFC 8693 5)', async (t) => {
  const person = await makePerson(server)
  const session = decodeJwt((await signIn(server, person)).accessToken)
  const exp = Math.floor(Date.now() / 1000) + 60
  const token = await signAs(server, { ...session, exp }, { typ: 'first-party+jwt' }, 'first_party')
  const once = await exchange(server, gateway, { kind: 'first_party_jwt', token })
  const twice = await exchange(server, gateway, held(once))
  for (const { access_token, expires_in } of [once, twice]) {
    t.equal(claimsOf(access_token).exp, exp)
    t.ok(expires_in <= 60)
  }
  const long = await exchange(server, gateway, await apiKey(server), {
    actor_token: (await exchange(server, await makeExchanger(server), { kind: 'first_party_jwt', token })).access_token,
    actor_token_type: ACCESS_TOKEN_TYPE,
  })
  t.equal(long.error, 'invalid_request', 'nor does another’s token make an actor')
})

t.test('a client exchanges what it was given, or what is for a resource it serves (RFC 8693 2.1, 5)', async (t) => {
  const all = await makeOneOfEach(server)
  const stranger = await makeExchanger(server, { serves: [] })
  const elsewhere = await makeExchanger(server, { serves: [PARCELS] })
  for (const other of [stranger, elsewhere]) {
    for (const each of all) t.equal((await exchange(server, other, each)).error, 'invalid_request', each.kind)
  }
  const app = await makeClient(server, { grantTypes: [TOKEN_EXCHANGE] })
  const own = await (await authorize(server, app, await makePerson(server))).redeem()
  const narrowed = await exchange(server, app, held(own), { scope: 'profile:read' })
  t.equal(narrowed.status, 200, 'its own')
  t.equal(claimsOf(narrowed.access_token).act, undefined, 'in which nobody else acts')
  const machine = await makeExchanger(server, { serves: [] })
  const granted = await tokenRequest(server, machine, {
    grant_type: 'client_credentials',
    scope: 'profile:read keys:read',
  })
  const self = await exchange(server, machine, held((await granted.json()) as never), { scope: 'profile:read' })
  t.match(claimsOf(self.access_token), { sub: machine.id, client_id: machine.id, scope: 'profile:read' })
  t.equal(await meStatus(server, self.access_token), 200)

  const ours = await makeClient(server, {
    ...{ firstParty: true, grantTypes: [TOKEN_EXCHANGE], scope: ['profile:read', 'parcels:read'] },
  })
  const jwt = await firstPartyJwt(server)
  t.equal((await exchange(server, ours, jwt)).scope, 'profile:read', 'an app of ours has what people sign in to')
  const atParcels = await exchange(server, ours, jwt, { resource: PARCELS })
  t.match(claimsOf(atParcels.access_token), { aud: PARCELS, scope: 'parcels:read' }, 'and asks for other resources')
  t.equal((await exchange(server, ours, await apiKey(server), { resource: PARCELS })).error, 'invalid_scope')
})

t.test('who may not exchange gets nothing (RFC 8693 2.1, RFC 6749 5.2)', async (t) => {
  const key = await apiKey(server)
  const plain = await makeClient(server, { type: 'machine', serves: [API] })
  t.equal((await exchange(server, plain, key)).error, 'unauthorized_client')
  t.match(await exchange(server, { ...gateway, secret: 'wrong' }, key), { status: 401, error: 'invalid_client' })
  await t.rejects(makeExchanger(server, { type: 'spa', redirectUris: [REDIRECT_URI] }), /cannot keep a secret/)
  for (const change of [{ grant_types: [TOKEN_EXCHANGE, 'authorization_code'] }, { serves: [API] }]) {
    const response = await register(server, { redirect_uris: [REDIRECT_URI], ...change })
    t.equal(response.status, 400, 'a client that registers itself')
    t.match(await response.json(), { error: 'invalid_client_metadata' })
  }
})

t.test('a request that is not in order is refused (RFC 8693 2.1, 2.2.2)', async (t) => {
  const key = await apiKey(server)
  const jwt = await firstPartyJwt(server)
  const token = await accessToken(server)
  const { redeem } = await authorize(server, await makeClient(server), await makePerson(server))
  const { refresh_token = '', id_token = '' } = await redeem()
  const claims = decodeJwt(token.token)
  const bound = await signAs(server, { ...claims, cnf: { jkt: 'x' } }, { typ: 'at+jwt' })
  const wrong: [string, Promise<{ error?: string }>][] = [
    ['no type', exchange(server, gateway, key, { subject_token_type: '' })],
    ['no token', exchange(server, gateway, { ...key, token: '' })],
    [
      'an unknown type',
      exchange(server, gateway, key, { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }),
    ],
    ['a key as a token', exchange(server, gateway, { ...key, kind: 'access_token' })],
    ['a key as a JWT', exchange(server, gateway, { ...key, kind: 'first_party_jwt' })],
    ['an access token as a JWT', exchange(server, gateway, { ...token, kind: 'first_party_jwt' })],
    ['a JWT as an access token', exchange(server, gateway, { ...jwt, kind: 'access_token' })],
    ['a refresh token', exchange(server, gateway, held({ access_token: refresh_token }))],
    ['an ID token', exchange(server, gateway, held({ access_token: id_token }))],
    ['an ID token as a JWT', exchange(server, gateway, { kind: 'first_party_jwt', token: id_token })],
    ['garbage', exchange(server, gateway, held({ access_token: 'garbage' }))],
    ['a NUL', exchange(server, gateway, held({ access_token: 'a\0' }))],
    ['a token bound to a key (RFC 9449 7.2)', exchange(server, gateway, held({ access_token: bound }))],
    [
      'a refresh token asked for',
      exchange(server, gateway, key, { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
    ],
    ['an actor without a type', exchange(server, gateway, key, { actor_token: token.token })],
    ['a type without an actor', exchange(server, gateway, key, { actor_token_type: ACCESS_TOKEN_TYPE })],
    [
      'an actor that is not the client’s',
      exchange(server, gateway, key, { actor_token: token.token, actor_token_type: ACCESS_TOKEN_TYPE }),
    ],
  ]
  for (const [message, answer] of wrong) t.equal((await answer).error, 'invalid_request', message)
  for (const target of [
    { resource: 'https://unknown.example' },
    { audience: 'parcels' },
    { audience: API, resource: PARCELS },
  ]) {
    t.equal((await exchange(server, gateway, key, target)).error, 'invalid_target', JSON.stringify(target))
  }
  t.equal((await exchange(server, gateway, token)).status, 200, 'the token itself is good')
})

t.test('a chain of servers keeps who acted, the last one first (RFC 8693 4.1)', async (t) => {
  const scope = ['parcels:read', 'parcels:write']
  const parcels = await makeExchanger(server, { serves: [PARCELS], scope })
  const depot = await makeClient(server, { type: 'machine', serves: [DEPOT] })
  const person = await makePerson(server)
  const app = await makeClient(server, { scope: ['openid', ...scope] })
  const parameters = { scope: scope.join(' '), resource: PARCELS }
  const at = await (await authorize(server, app, person, { parameters })).redeem()
  const onward = await exchange(server, parcels, held(at), { resource: DEPOT, scope: 'parcels:read' })
  t.equal(onward.access_token.split('.').length, 1, 'opaque, as the resource has it')
  const introspected = await openid.tokenIntrospection(depot.configuration, onward.access_token)
  t.match(introspected, { active: true, sub: person.id, client_id: parcels.id, aud: DEPOT, scope: 'parcels:read' })
  t.same(introspected.act, { sub: parcels.id })
  t.equal(await meStatus(server, onward.access_token), 401, 'it is good nowhere else')

  const own = await tokenRequest(server, parcels, { grant_type: 'client_credentials', resource: PARCELS })
  const machine = held((await own.json()) as never)
  const named = { actor_token: machine.token, actor_token_type: ACCESS_TOKEN_TYPE, resource: PARCELS }
  const withActor = await exchange(server, parcels, held(at), named)
  t.same(claimsOf(withActor.access_token).act, { sub: parcels.id }, 'also by a token of its own')
  const second = await makeExchanger(server, { serves: [PARCELS], scope })
  const again = await exchange(server, second, held(withActor), { resource: PARCELS })
  t.same(claimsOf(again.access_token).act, { sub: second.id, act: { sub: parcels.id } })
  t.equal(claimsOf(again.access_token).sub, person.id)
})

t.test('a client that was exchanged for stays a client, and is no account (RFC 9700 4.15)', async (t) => {
  const machine = await machineToken(server)
  const child = await exchange(server, gateway, machine)
  t.match(await me(child.access_token), { subject: { kind: 'client', id: machine.clientId }, role: 'SERVICE' })
  const opaque = await makeExchanger(server, { accessTokenFormat: 'opaque' })
  const { access_token } = await exchange(server, opaque, machine)
  t.match(await me(access_token), { subject: { kind: 'client', id: machine.clientId }, clientId: opaque.id })
})

t.test('the audit tells what was exchanged, by whom and who acts, and holds none of it', async (t) => {
  const key = await apiKey(server)
  const events = await eventsOf(server.db, () => exchange(server, gateway, key), 1)
  const details = { grantType: TOKEN_EXCHANGE, dependsOn: [`api_key ${key.id}`], act: { sub: gateway.id } }
  t.match(events, [{ type: 'token.issue', subjectId: key.person?.id, clientId: gateway.id, details }])
  t.notMatch(JSON.stringify(events), key.token)
})
