import t from 'tap'
import { makeApiKey } from '../../src/secrets/api-key.ts'
import { makeClient, tokenRequest } from '../fixtures/clients.ts'
import { makeOneOfEach } from '../fixtures/credentials.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { GATEWAYS, type GatewayKind, startGateway, startUpstream } from '../fixtures/gateway.ts'
import { skipWithout } from '../fixtures/installed.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'

/** Names from outside that the API behind could take for ours. */
const FORGED = {
  'x-auth-subject': 'somebody-else',
  'x-auth-client': 'client_of_somebody_else',
  'x-auth-scope': 'admin:read admin:write',
  'x-auth-method': 'jwt',
}
const METHODS: Readonly<Record<string, string>> = { first_party_jwt: 'jwt', api_key: 'api_key' }

async function guard(t: Parameters<typeof startGatehouse>[0], kind: GatewayKind) {
  const server = await startGatehouse(t, { env: { TRUST_PROXY: '127.0.0.1' } })
  const upstream = await startUpstream(t)
  const url = await startGateway(t, kind, { gatehouse: Number(new URL(server.url).port), upstream: upstream.port })
  upstream.reached.length = 0
  return { server, upstream, ask: (path: string, init?: RequestInit) => fetch(new URL(path, url), init) }
}

for (const kind of GATEWAYS) {
  t.test(`${kind.name} by its example`, { skip: skipWithout(kind.name, kind.program) }, async (t) => {
    const { server, upstream, ask } = await guard(t, kind)

    await t.test(
      'lets every kind of credential through, and says who it is and nothing that anybody forged',
      async (t) => {
        for (const held of await makeOneOfEach(server)) {
          const headers = { ...held.headers, ...FORGED, 'x-other': 'kept' }
          const response = await ask('/orders/1?a=b', { method: 'POST', headers, body: 'a body' })
          t.equal(await response.text(), 'behind the gate', held.kind)
          const got = upstream.reached.at(-1)
          t.match(got, { method: 'POST', url: '/orders/1?a=b', body: 'a body' })
          t.match(got?.headers, {
            'x-auth-subject': held.person?.id ?? held.clientId,
            'x-auth-scope': /(^| )profile:read( |$)/,
            'x-auth-method': METHODS[held.kind] ?? 'oauth',
            'x-other': 'kept',
          })
          t.notMatch(got?.headers['x-auth-scope'], /admin/)
          t.equal(got?.headers['x-auth-client'] || undefined, held.clientId, `${held.kind}: the client, or none`)
          t.equal(got?.headers.authorization, undefined, 'the credential stays at the gate')
          t.equal(got?.headers['x-api-key'], undefined)
        }
      },
    )

    await t.test('turns away who has none, with a challenge (RFC 6750 3, RFC 9728 5.1)', async (t) => {
      const before = upstream.reached.length
      const bare = await ask('/orders', { headers: FORGED })
      t.equal(bare.status, 401)
      t.match(bare.headers.get('www-authenticate'), /^Bearer resource_metadata="/)
      for (const headers of [bearer('x'.repeat(43)), bearer('a.b.c'), { 'x-api-key': makeApiKey('gk_live_') }]) {
        const response = await ask('/orders', { headers })
        t.equal(response.status, 401)
        t.match(response.headers.get('www-authenticate'), /error="invalid_token"/)
      }
      const { accessToken } = await signIn(server, await makePerson(server))
      const two = { ...bearer(accessToken), 'x-api-key': makeApiKey('gk_live_') }
      t.equal((await ask('/orders', { headers: two })).status, 400, 'nor who has two (RFC 6750 2)')
      t.equal(upstream.reached.length, before)
    })

    await t.test('turns away who lacks the scope, and says which (RFC 6750 3.1)', async (t) => {
      const before = upstream.reached.length
      const { apiKey } = await makeKey(server, await makePerson(server), ['keys:read'])
      const response = await ask('/orders?scope=keys:read', { headers: { 'x-api-key': apiKey } })
      t.equal(response.status, 403)
      t.match(response.headers.get('www-authenticate'), /error="insufficient_scope".*scope="profile:read"/)
      t.equal(upstream.reached.length, before)
    })

    await t.test('turns away a token for another audience (RFC 9068 4)', async (t) => {
      const before = upstream.reached.length
      const client = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
      const parameters = { grant_type: 'client_credentials', resource: 'https://other.example/' }
      t.equal((await tokenRequest(server, client, parameters)).status, 400)
      const { refreshToken } = await signIn(server, await makePerson(server))
      t.equal((await ask('/orders', { headers: bearer(refreshToken) })).status, 401)
      t.equal(upstream.reached.length, before)
    })

    await t.test('refuses what was revoked within a second', async (t) => {
      const person = await makePerson(server)
      const { apiKey, id } = await makeKey(server, person)
      const get = async () => (await ask('/orders', { headers: { 'x-api-key': apiKey } })).status
      t.equal(await get(), 200)
      const { accessToken } = await signIn(server, person)
      await server.fetch(`/api/keys/${id}`, { method: 'DELETE', headers: bearer(accessToken) })
      t.equal(await eventually(get, (status) => status === 401, 1_000), 401)
    })
  })
}

t.test('nothing gets through while there is nobody to ask', async (t) => {
  for (const kind of GATEWAYS.filter(({ name, program }) => !skipWithout(name, program))) {
    const { server, upstream, ask } = await guard(t, kind)
    const { apiKey } = await makeKey(server, await makePerson(server))
    server.app.server.closeAllConnections()
    await server.app.close()
    const response = await ask('/orders', { headers: { 'x-api-key': apiKey } })
    t.ok(response.status >= 502 && response.status <= 503, `${kind.name}: ${response.status}`)
    t.equal(upstream.reached.length, 0)
  }
})
