import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { setRole } from '../../src/accounts/change-account.ts'
import { createResource } from '../../src/resources/resources.ts'
import { authorize, makeClient, REDIRECT_URI, type RelyingParty } from '../fixtures/clients.ts'
import { accessToken, apiKey, firstPartyJwt, machineToken, makeOneOfEach } from '../fixtures/credentials.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { SIGNED_INTROSPECTION } from '../fixtures/introspection.ts'
import { makeKey, makePerson } from '../fixtures/people.ts'
import { basic, clientPost, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const API = `${server.url}/api`
const PARCELS = 'https://parcels.example'
const scopes = { 'parcels:read': 'See your parcels' }
await createResource(server.db, server.url, { identifier: PARCELS, name: 'Parcels', scopes, format: 'opaque' })
const gateway = await makeClient(server, { type: 'machine', serves: [API] })
const parcels = await makeClient(server, { type: 'machine', serves: [PARCELS] })
const stranger = await makeClient(server)
const ours = await makeClient(server, { type: 'spa', firstParty: true })

const INACTIVE = { active: false }

async function introspect(token: string, as: Pick<RelyingParty, 'id' | 'secret'> = gateway) {
  const response = await clientPost(server, '/oauth/introspect', as, { token })
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as { active: boolean; scope?: string; [name: string]: unknown }
}

/** What is asked for as a JWT, as it comes. */
function askSigned(token: string, as: RelyingParty, accept = SIGNED_INTROSPECTION) {
  const headers = { ...basic(as), accept }
  return server.fetch('/oauth/introspect', { method: 'POST', body: new URLSearchParams({ token }), headers })
}

async function parcelsToken(): Promise<string> {
  const app = await makeClient(server, { scope: ['openid', 'parcels:read'] })
  const parameters = { scope: 'parcels:read', resource: PARCELS }
  return (await (await authorize(server, app, await makePerson(server), { parameters })).redeem()).access_token
}

t.test('every credential is described to a server of the API that it is for (RFC 7662 2.2)', async (t) => {
  for (const { kind, token, person, clientId } of await makeOneOfEach(server)) {
    const seen = await introspect(token)
    t.match(seen, { active: true, sub: person?.id ?? clientId, iss: server.url, aud: API, exp: Number }, kind)
    t.equal(seen.credential_kind, /^(first_party_jwt|api_key)$/.test(kind) ? kind : 'access_token')
    t.match(seen.scope, /\bprofile:read\b/)
    t.equal(seen.client_id, clientId)
    t.equal(seen.token_type, 'Bearer')
    t.notMatch(JSON.stringify(seen), token, 'without the credential itself')
    for (const other of [parcels, stranger]) t.same(await introspect(token, other), INACTIVE, 'to nobody else')
  }
  for (const make of [firstPartyJwt, apiKey]) t.equal((await introspect((await make(server)).token, ours)).active, true)
})

t.test('a server sees what is meant for it, and nothing else (RFC 7662 4, RFC 8707 2)', async (t) => {
  const token = await parcelsToken()
  t.match(await introspect(token, parcels), { active: true, aud: PARCELS, scope: 'parcels:read' })
  for (const other of [gateway, stranger, ours]) t.same(await introspect(token, other), INACTIVE)
  const both = await makeClient(server, { type: 'machine', serves: [API, PARCELS] })
  for (const each of [token, (await accessToken(server)).token]) t.equal((await introspect(each, both)).active, true)
  for (const change of [{ serves: [API] }, { introspection_signed_response_alg: 'HS256' }]) {
    const response = await register(server, { redirect_uris: [REDIRECT_URI], ...change })
    t.match(await response.json(), { error: 'invalid_client_metadata' }, 'nor does a client say that it is a server')
  }
})

t.test('a machine client that was created for no resource in particular is a server of all (RFC 7662 4)', async (t) => {
  const any = await makeClient(server, { type: 'machine' })
  for (const { kind, token } of await makeOneOfEach(server)) t.equal((await introspect(token, any)).active, true, kind)
  t.match(await introspect(await parcelsToken(), any), { active: true, aud: PARCELS })
  const { refresh_token = '' } = await (
    await authorize(server, await makeClient(server), await makePerson(server))
  ).redeem()
  t.same(await introspect(refresh_token, any), INACTIVE, 'refresh tokens are for their client alone')
})

t.test('the scope that is told is the one that its owner may use now', async (t) => {
  const admin = await makePerson(server, 'admin')
  const { apiKey: key } = await makeKey(server, admin, ['profile:read', 'admin:read'])
  t.equal((await introspect(key)).scope, 'profile:read admin:read')
  await setRole(server.db, admin.id, 'user', new Date())
  t.equal((await introspect(key)).scope, 'profile:read')
})

t.test('who asks for a signed answer gets it, for itself and of its algorithm (RFC 9701 4, 5)', async (t) => {
  const jwks = (await (await server.fetch('/oauth/jwks')).json()) as JSONWebKeySet
  const keys = createLocalJWKSet(jwks)
  for (const alg of ['RS256', 'ES256'] as const) {
    const client = await makeClient(server, { type: 'machine', serves: [API], introspectionAlg: alg })
    const metadata = { introspection_signed_response_alg: alg }
    const configuration = await openid.discovery(
      new URL(server.url),
      client.id,
      metadata,
      openid.ClientSecretBasic(client.secret ?? ''),
      { execute: [openid.allowInsecureRequests] },
    )
    for (const { kind, token } of await makeOneOfEach(server)) {
      const response = await askSigned(token, client)
      t.equal(response.status, 200)
      t.match(response.headers.get('content-type'), SIGNED_INTROSPECTION)
      t.match(response.headers.get('cache-control'), /no-store/)
      const options = { issuer: server.url, audience: client.id, typ: 'token-introspection+jwt', algorithms: [alg] }
      const { payload } = await jwtVerify(await response.text(), keys, options)
      t.same(payload.token_introspection, await introspect(token, client), kind)
      t.ok(payload.iat)
      for (const never of ['sub', 'exp']) t.notOk(never in payload, 'so that it is taken for no token (RFC 9701 8.1)')
      t.equal((await openid.tokenIntrospection(configuration, token)).active, true, 'a library reads it')
    }
    t.equal((await openid.tokenIntrospection(configuration, 'garbage')).active, false)
    t.equal((await openid.tokenIntrospection(configuration, await parcelsToken())).active, false)
    t.equal((await openid.tokenIntrospection(configuration, (await machineToken(server)).token)).active, true)
  }
})

t.test('who does not ask for it gets JSON, and an error is never signed (RFC 9701 4)', async (t) => {
  const { token } = await accessToken(server)
  for (const accept of ['application/json', '*/*', `application/json, ${SIGNED_INTROSPECTION}`]) {
    t.match((await askSigned(token, gateway, accept)).headers.get('content-type'), /^application\/json/, accept)
  }
  const wrong = await askSigned(token, { ...gateway, secret: 'wrong' })
  t.equal(wrong.status, 401)
  t.match(await wrong.json(), { error: 'invalid_client' })
})

t.test('a signed answer is no token at the API (RFC 9701 8.1, RFC 8725 3.11)', async (t) => {
  for (const { token } of [await accessToken(server), await firstPartyJwt(server)]) {
    const answer = await (await askSigned(token, gateway)).text()
    t.equal((await server.fetch('/api/me', { headers: { authorization: `Bearer ${answer}` } })).status, 401)
    t.same(await introspect(answer), INACTIVE)
  }
})
