import { decodeJwt } from 'jose'
import t from 'tap'
import { setDisabled } from '../../src/accounts/change-account.ts'
import { createResource } from '../../src/resources/resources.ts'
import { authorize, makeClient, REDIRECT_URI, type RelyingParty, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { signAs } from '../fixtures/keys.ts'
import { bearer, makePerson, type Person, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const person = await makePerson(server)
const PARCELS = 'https://parcels.example'
const scopes = { 'parcels:read': 'See your parcels' }
await createResource(server.db, server.url, { identifier: PARCELS, name: 'Parcels', scopes, format: 'opaque' })
const scope = ['openid', 'profile:read', 'parcels:read', 'offline_access']
const client = await makeClient(server, { scope })
const resourceServer = await makeClient(server, { type: 'machine', serves: [`${server.url}/api`, PARCELS] })

/** What a person gave a client: a JWT for our API, or an opaque token for the operator's, each with a refresh token. */
async function makeTokens(kind: 'jwt' | 'opaque', of = client, owner: Person = person) {
  const parameters: Record<string, string> =
    kind === 'jwt'
      ? { scope: 'openid offline_access profile:read' }
      : { scope: 'openid offline_access parcels:read', resource: PARCELS }
  const { redeem } = await authorize(server, of, owner, { parameters })
  const { access_token, refresh_token = '', id_token = '' } = await redeem()
  return { access_token, refresh_token, id_token }
}

async function introspect(token: string, as: Pick<RelyingParty, 'id' | 'secret'> = client, more = {}) {
  const response = await clientPost(server, '/oauth/introspect', as, { token, ...more })
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as { active: boolean; [name: string]: unknown }
}

interface Listed {
  readonly clientId: string
  readonly host: string
  readonly scopes: string[]
}

const INACTIVE = { active: false }
const isActive = async (token: string, as?: RelyingParty) => (await introspect(token, as)).active
const revoke = (token: string, as: Pick<RelyingParty, 'id' | 'secret'> = client, more = {}) =>
  clientPost(server, '/oauth/revoke', as, { token, ...more })
const refresh = (refresh_token: string, as = client) =>
  tokenRequest(server, as, { grant_type: 'refresh_token', refresh_token })

t.test('a token is described to its client and to a server of its resource (RFC 7662 2.2)', async (t) => {
  for (const kind of ['jwt', 'opaque'] as const) {
    const { access_token } = await makeTokens(kind)
    const expected = {
      active: true,
      sub: person.id,
      client_id: client.id,
      iss: server.url,
      aud: kind === 'jwt' ? `${server.url}/api` : PARCELS,
      scope: kind === 'jwt' ? 'profile:read' : 'parcels:read',
      token_type: 'Bearer',
      exp: Number,
      iat: Number,
    }
    for (const as of [client, resourceServer]) {
      const seen = await introspect(access_token, as)
      t.match(seen, expected, kind)
      t.notOk(JSON.stringify(seen).includes(access_token), 'without the token itself')
      for (const hint of ['access_token', 'refresh_token', 'nonsense']) {
        t.same(await introspect(access_token, as, { token_type_hint: hint }), seen, 'whatever the hint')
      }
    }
  }
  const response = await clientPost(server, '/oauth/introspect', client, { token: 'x' })
  t.match(response.headers.get('cache-control'), /no-store/)
})

t.test('a refresh token is described to its client alone (RFC 7662 4)', async (t) => {
  const { refresh_token } = await makeTokens('jwt')
  t.match(await introspect(refresh_token), { active: true, client_id: client.id, sub: person.id })
  t.same(await introspect(refresh_token, resourceServer), INACTIVE)
})

t.test('a token is nothing to other clients (RFC 7662 4)', async (t) => {
  const metadata = { redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'client_secret_basic' }
  const dynamic = (await (await register(server, metadata)).json()) as { client_id: string; client_secret: string }
  const others = [
    await makeClient(server),
    await makeClient(server, { type: 'spa' }),
    await makeClient(server, { type: 'machine', serves: ['https://elsewhere.example'] }),
    { id: dynamic.client_id, secret: dynamic.client_secret },
  ]
  for (const kind of ['jwt', 'opaque'] as const) {
    const { access_token, refresh_token } = await makeTokens(kind)
    for (const other of others) {
      t.same(await introspect(access_token, other), INACTIVE, kind)
      t.same(await introspect(refresh_token, other), INACTIVE)
    }
  }
})

t.test('who is not authenticated learns nothing (RFC 7662 2.1)', async (t) => {
  const { access_token: token } = await makeTokens('jwt')
  const wrong = { ...client, secret: 'wrong' }
  for (const path of ['/oauth/introspect', '/oauth/revoke']) {
    const ask = (parameters: Record<string, string>, headers = {}) =>
      server.fetch(path, { method: 'POST', body: new URLSearchParams(parameters), headers })
    t.equal((await ask({ token })).status, 400, path)
    t.equal((await ask({ token }, bearer(token))).status, 400, 'the token itself proves no client')
    t.equal((await ask({ token, client_id: client.id })).status, 401)
    t.equal((await clientPost(server, path, wrong, { token })).status, 401)
    t.equal((await clientPost(server, path, client, {})).status, 400, 'nor is a request without a token')
    t.equal((await server.fetch(`${path}?token=${token}`)).status, 404, 'nor one by GET')
  }
  t.equal(await meStatus(server, token), 200)
})

t.test('what is no token of ours, or not of this kind, is inactive, and no more is said (RFC 7662 2.2)', async (t) => {
  const { access_token, id_token } = await makeTokens('jwt')
  const { code } = await authorize(server, client, person, { parameters: { scope: 'openid' } })
  const now = Math.floor(Date.now() / 1000)
  const claims = decodeJwt(access_token)
  const nothing: Record<string, string> = {
    garbage: 'garbage',
    'a NUL': 'a\0',
    'three parts': 'a.b.c',
    'a token with another end': `${access_token.slice(0, -4)}AAAA`,
    'an expired JWT': await signAs(server, { ...claims, iat: now - 700, exp: now - 100 }, { typ: 'at+jwt' }),
    'a JWT of another issuer': await signAs(server, { ...claims, iss: 'https://other.example' }, { typ: 'at+jwt' }),
    'an ID token': id_token,
    'a code': code,
    'a client secret': client.secret ?? '',
  }
  for (const [message, token] of Object.entries(nothing)) {
    for (const as of [client, resourceServer]) t.same(await introspect(token, as), INACTIVE, message)
    t.equal((await revoke(token)).status, 200, 'and revoking it changes nothing (RFC 7009 2.2)')
  }
  t.equal(await meStatus(server, access_token), 200)
})

t.test('an access token that is revoked is over at once (RFC 7009 2.1, ASVS V7.4.1)', async (t) => {
  const first = await makeTokens('jwt')
  const second = await makeTokens('jwt')
  const response = await revoke(first.access_token, client, { token_type_hint: 'access_token' })
  t.equal(response.status, 200)
  t.equal(await response.text(), '')
  t.notMatch(response.headers.get('content-type'), 'json', 'which is no JSON')
  t.equal(await meStatus(server, first.access_token), 401)
  for (const as of [client, resourceServer]) t.same(await introspect(first.access_token, as), INACTIVE)
  t.equal(await meStatus(server, second.access_token), 200, 'and no other is')
  t.equal((await refresh(first.refresh_token)).status, 200)

  const opaque = await makeTokens('opaque')
  t.equal((await revoke(opaque.access_token)).status, 200)
  for (const as of [client, resourceServer])
    t.same(await introspect(opaque.access_token, as), INACTIVE, 'an opaque one')
  t.equal((await revoke(opaque.access_token)).status, 200, 'also when it is revoked again')
})

t.test('a refresh token that is revoked takes its access tokens with it (RFC 7009 2.1)', async (t) => {
  const publicClient = await makeClient(server, { type: 'spa', scope })
  for (const owner of [client, publicClient]) {
    const first = await makeTokens('jwt', owner)
    const second = (await (await refresh(first.refresh_token, owner)).json()) as typeof first
    t.equal((await revoke(second.refresh_token, owner)).status, 200)
    t.equal((await refresh(second.refresh_token, owner)).status, 400)
    for (const { access_token } of [first, second]) t.equal(await meStatus(server, access_token), 401, 'a JWT')

    const opaque = await makeTokens('opaque', owner)
    await revoke(opaque.refresh_token, owner)
    t.equal(await isActive(opaque.access_token, resourceServer), false, 'an opaque one')
  }
})

t.test('no client revokes the tokens of another (RFC 7009 2.1)', async (t) => {
  const others = [await makeClient(server), resourceServer, await makeClient(server, { type: 'spa' })]
  for (const kind of ['jwt', 'opaque'] as const) {
    const { access_token, refresh_token } = await makeTokens(kind)
    for (const other of others) {
      await revoke(access_token, other)
      await revoke(refresh_token, other)
    }
    t.equal(await isActive(access_token), true, kind)
    t.equal(await isActive(refresh_token), true)
  }
})

t.test('a revocation is answered by nothing, of no type (RFC 7009 2.2)', async (t) => {
  const { access_token, refresh_token } = await makeTokens('opaque')
  for (const token of [access_token, refresh_token, (await makeTokens('jwt')).access_token, 'unknown']) {
    const answer = await revoke(token)
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('content-type'), null)
    t.equal(await answer.text(), '')
  }
})

t.test('a token is over with the account that gave it (ASVS V7.4.2)', async (t) => {
  const leaving = await makePerson(server)
  const [jwt, opaque] = [await makeTokens('jwt', client, leaving), await makeTokens('opaque', client, leaving)]
  await setDisabled(server.db, leaving.id, true, new Date())
  t.equal(await meStatus(server, jwt.access_token), 401)
  for (const token of [jwt.access_token, opaque.access_token, jwt.refresh_token])
    t.same(await introspect(token), INACTIVE)
  t.equal((await refresh(jwt.refresh_token)).status, 400)
})

t.test('a person takes back what a client was given (ASVS V10.4.9, V10.7.3)', async (t) => {
  const owner = await makePerson(server)
  const second = await makeClient(server, { name: 'Second App', scope })
  const mine = [await makeTokens('jwt', client, owner), await makeTokens('opaque', client, owner)]
  const kept = [await makeTokens('jwt', second, owner), await makeTokens('jwt', client, await makePerson(server))]
  const headers = bearer((await signIn(server, owner)).accessToken)
  const list = async () => {
    const answer = (await (await server.fetch('/api/grants', { headers })).json()) as { grants: Listed[] }
    return answer.grants.map(({ clientId, host, scopes }) => ({ clientId, host, scopes: scopes.sort().join(' ') }))
  }
  t.same(await list(), [
    { clientId: second.id, host: 'app.example', scopes: 'offline_access openid profile:read' },
    { clientId: client.id, host: 'app.example', scopes: 'offline_access openid parcels:read profile:read' },
  ])

  const remove = (as = headers) => server.fetch(`/api/grants/${client.id}`, { method: 'DELETE', headers: as })
  t.equal((await remove(bearer(mine[0]?.access_token ?? ''))).status, 403, 'a client cannot')
  t.equal((await remove()).status, 200)
  for (const { access_token, refresh_token } of mine) {
    t.equal(await meStatus(server, access_token), 401)
    t.same(await introspect(access_token, resourceServer), INACTIVE)
    t.equal((await refresh(refresh_token)).status, 400)
  }
  t.match(await list(), [{ clientId: second.id }])
  for (const { access_token } of kept) t.equal(await meStatus(server, access_token), 200, 'what others have stays')
  t.equal((await remove()).status, 404)
})
