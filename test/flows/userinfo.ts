import { decodeJwt } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { createResource } from '../../src/resources/resources.ts'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const client = await makeClient(server)

async function tokensFor(scope: string) {
  return (await authorize(server, client, person, { parameters: { scope } })).redeem()
}
const post = (body: Record<string, string>, headers: Record<string, string> = {}) =>
  server.fetch('/oauth/userinfo', { method: 'POST', body: new URLSearchParams(body), headers })

t.test(
  'userinfo answers by GET and by POST, with the token in the header or the body (OpenID Connect Core 5.3.1)',
  async (t) => {
    const tokens = await tokensFor('openid profile email')
    const access_token = tokens.access_token
    const expected = { sub: person.id, name: person.name, email: person.email, email_verified: false }
    t.equal(tokens.claims()?.sub, person.id, 'the same subject as the ID token (5.3.2)')
    for (const [way, response] of Object.entries({
      GET: await server.fetch('/oauth/userinfo', { headers: bearer(access_token) }),
      'POST, header': await post({}, bearer(access_token)),
      'POST, body': await post({ access_token }),
    })) {
      t.equal(response.status, 200, way)
      t.match(response.headers.get('content-type'), /^application\/json/)
      t.match(response.headers.get('cache-control'), /no-store/)
      t.strictSame(await response.json(), expected)
    }
  },
)

t.test('userinfo tells what was allowed, and no more (OpenID Connect Core 5.4)', async (t) => {
  const { access_token } = await tokensFor('openid')
  const response = await server.fetch('/oauth/userinfo', { headers: bearer(access_token) })
  t.strictSame(await response.json(), { sub: person.id })
})

t.test('userinfo takes no token from a query, nor two at once (RFC 9700 4.3.2, RFC 6750 2)', async (t) => {
  const { access_token } = await tokensFor('openid')
  t.equal((await server.fetch(`/oauth/userinfo?access_token=${access_token}`)).status, 400)
  const both = await server.fetch(`/oauth/userinfo?access_token=${access_token}`, { headers: bearer(access_token) })
  t.equal(both.status, 400)
  t.equal((await post({ access_token }, bearer(access_token))).status, 400)
  const none = await server.fetch('/oauth/userinfo')
  t.ok(none.status === 400 || none.status === 401)
  const bad = await server.fetch('/oauth/userinfo', { headers: bearer('unknown') })
  t.equal(bad.status, 401)
  t.match(bad.headers.get('www-authenticate'), /^Bearer .*error="invalid_token"/)
})

const API = 'openid profile email profile:read'

for (const format of ['jwt', 'opaque'] as const) {
  t.test(`userinfo and the API take one token of both scopes, ${format} (OpenID Connect Core 5.3.1)`, async (t) => {
    const client = await makeClient(server, { accessTokenFormat: format })
    const tokensFor = async (scope: string) =>
      (await authorize(server, client, person, { parameters: { scope } })).redeem()
    const tokens = await tokensFor(API)
    t.equal(tokens.scope, API, 'the scope it was issued with (RFC 6749 5.1)')
    const userinfo = (token: string) => server.fetch('/oauth/userinfo', { headers: bearer(token) })
    const told = await userinfo(tokens.access_token)
    t.equal(told.status, 200)
    t.strictSame(await told.json(), {
      sub: person.id,
      name: person.name,
      email: person.email,
      email_verified: false,
    })
    const me = await server.fetch('/api/me', { headers: bearer(tokens.access_token) })
    t.match(await me.json(), { scopes: ['profile:read'] }, 'which is no scope of the API')

    const refreshed = await openid.refreshTokenGrant(client.configuration, String(tokens.refresh_token), {
      scope: 'openid profile:read',
    })
    t.strictSame(await (await userinfo(refreshed.access_token)).json(), { sub: person.id }, 'narrowed (RFC 6749 6)')
    const narrow = await openid.refreshTokenGrant(client.configuration, String(refreshed.refresh_token), {
      scope: 'profile:read',
    })
    const refused = await userinfo(narrow.access_token)
    t.equal(refused.status, 403)
    t.match(refused.headers.get('www-authenticate'), /error="insufficient_scope"/)

    await openid.tokenRevocation(client.configuration, tokens.access_token)
    t.equal((await userinfo(tokens.access_token)).status, 401, 'revoked (RFC 7009 2.1)')
  })
}

t.test("userinfo takes no token that is for an operator's resource (RFC 8707 2)", async (t) => {
  const identifier = 'https://invoices.example/'
  const scopes = { 'invoices:read': 'See your invoices' }
  await createResource(server.db, server.url, { identifier, name: 'Invoices', scopes, format: 'jwt' }, {})
  const scope = ['openid', 'email', 'invoices:read']
  const client = await makeClient(server, { scope })
  const parameters = { scope: scope.join(' '), resource: identifier }
  const { access_token } = await (await authorize(server, client, person, { parameters })).redeem()
  t.strictSame(decodeJwt(access_token).aud, identifier)
  t.equal(decodeJwt(access_token).openid_scope, undefined)
  t.equal((await server.fetch('/oauth/userinfo', { headers: bearer(access_token) })).status, 401)
})
