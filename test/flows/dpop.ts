import * as openid from 'openid-client'
import t from 'tap'
import { TOKEN_EXCHANGE } from '../../src/clients/grant-types.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, passPages, tokenRequest } from '../fixtures/clients.ts'
import { apiKey } from '../fixtures/credentials.ts'
import { makeDpopKey, makeProof } from '../fixtures/dpop.ts'
import { makeExchanger, tokenType } from '../fixtures/exchange.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { clientPost, register } from '../fixtures/wire.ts'

/** Bound tokens by a client library that is not ours, at every endpoint that takes them. */
const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const person = await makePerson(server)
const serves = [`${server.url}/api`]
const resourceServer = await makeClient(server, { type: 'machine', serves })
const API = new URL('/api/me', server.url)
const cnfOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).cnf
const introspect = async (token: string) =>
  (await (await clientPost(server, '/oauth/introspect', resourceServer, { token })).json()) as Record<string, unknown>

const INVALID_GRANT = Object.assign(new Error(), { error: 'invalid_grant', name: 'ResponseBodyError' })

/** A handle whose nonces and proofs are the library's. */
async function bind({ configuration }: { configuration: openid.Configuration }, alg?: string) {
  const DPoP = openid.getDPoPHandle(configuration, await openid.randomDPoPKeyPair(alg))
  return { DPoP, jkt: await DPoP.calculateThumbprint() }
}

for (const accessTokenFormat of ['jwt', 'opaque'] as const) {
  t.test(
    `${accessTokenFormat}: a public client is bound from code to API, and so is its refresh token (RFC 9449 5, 7)`,
    async (t) => {
      const client = await makeClient(server, { type: 'spa', accessTokenFormat })
      const { DPoP, jkt } = await bind(client)
      const { url, verifier, state } = await authorizationRequest(client, { dpop_jkt: jkt })
      const browser = new Browser(server)
      const end = await passPages(browser, await browser.goto(url.href), person)
      const checks = { pkceCodeVerifier: verifier, expectedState: state }
      const callback = new URL(end.url)
      const tokens = await openid.authorizationCodeGrant(client.configuration, callback, checks, undefined, { DPoP })
      t.equal(tokens.token_type, 'dpop')
      const call = (token: string) =>
        openid.fetchProtectedResource(client.configuration, token, API, 'GET', undefined, undefined, { DPoP })
      for (const _ of [1, 2, 3]) {
        const me = await call(tokens.access_token)
        t.equal(me.status, 200)
        t.match(await me.json(), { subject: { id: person.id }, credential: { kind: 'access_token' } })
      }
      t.match(await introspect(tokens.access_token), { active: true, token_type: 'DPoP', cnf: { jkt } })
      if (accessTokenFormat === 'jwt') t.strictSame(cnfOf(tokens.access_token), { jkt })

      const asBearer = await server.fetch('/api/me', { headers: bearer(tokens.access_token) })
      t.equal(asBearer.status, 401)
      t.match(asBearer.headers.get('www-authenticate'), /^DPoP error="invalid_token".* algs="ES256 Ed25519 EdDSA"/)

      const { refresh_token = '' } = tokens
      const stolen = await tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token })
      t.match(await stolen.json(), { error: 'invalid_grant' }, 'a refresh token without its key')
      const other = await bind(client)
      await t.rejects(openid.refreshTokenGrant(client.configuration, refresh_token, undefined, other), INVALID_GRANT)
      const next = await openid.refreshTokenGrant(client.configuration, refresh_token, undefined, { DPoP })
      t.equal(next.token_type, 'dpop')
      t.equal((await call(next.access_token)).status, 200)
    },
  )
}

t.test('userinfo takes a bound token by its proof, and by nothing else (RFC 9449 7.1, 7.2)', async (t) => {
  for (const scope of ['openid email', 'openid email profile:read']) {
    const client = await makeClient(server)
    const { DPoP } = await bind(client)
    const { callback, verifier, state } = await authorize(server, client, person, {
      parameters: { scope },
    })
    const checks = { pkceCodeVerifier: verifier, expectedState: state }
    const { access_token: token } = await openid.authorizationCodeGrant(
      client.configuration,
      callback,
      checks,
      undefined,
      { DPoP },
    )
    const info = await openid.fetchUserInfo(client.configuration, token, person.id, { DPoP })
    t.equal(info.email, person.email)
    const asBearer = await server.fetch('/oauth/userinfo', { headers: bearer(token) })
    t.equal(asBearer.status, 401)
    t.match(asBearer.headers.get('www-authenticate'), /^DPoP .*error="invalid_token"/)

    const unbound = await authorize(server, client, person, { parameters: { scope } })
    const plain = (await unbound.redeem()).access_token
    const key = await makeDpopKey()
    const url = `${server.url}/oauth/userinfo`
    const headers = { authorization: `DPoP ${plain}`, dpop: await makeProof(key, { url, token: plain }) }
    t.equal((await server.fetch('/oauth/userinfo', { headers })).status, 401, 'a token that is bound to nothing')
  }
})

t.test('a machine is bound too, with each algorithm that is published (RFC 9449 5.1)', async (t) => {
  const { dpop_signing_alg_values_supported: algs } = (await (
    await server.fetch('/.well-known/oauth-authorization-server')
  ).json()) as { dpop_signing_alg_values_supported: string[] }
  t.strictSame(algs, ['ES256', 'Ed25519', 'EdDSA'])
  const metadata = await (await server.fetch('/.well-known/oauth-protected-resource/api')).json()
  t.match(metadata, { dpop_signing_alg_values_supported: algs })
  t.notOk('dpop_bound_access_tokens_required' in (metadata as object), 'nor is it said that there are no others')
  const client = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
  for (const alg of algs) {
    const { DPoP } = await bind(client, alg)
    const { access_token } = await openid.clientCredentialsGrant(client.configuration, undefined, { DPoP })
    const options = [API, 'GET', undefined, undefined, { DPoP }] as const
    t.equal((await openid.fetchProtectedResource(client.configuration, access_token, ...options)).status, 200, alg)
  }
  for (const alg of ['RS256', 'ES384']) {
    const key = await makeDpopKey(alg)
    const dpop = await makeProof(key, { method: 'POST', url: `${server.url}/oauth/token` })
    const headers = { dpop, authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}` }
    const body = new URLSearchParams({ grant_type: 'client_credentials' })
    const refused = await server.fetch('/oauth/token', { method: 'POST', headers, body })
    t.match(await refused.json(), { error: 'invalid_dpop_proof' }, alg)
  }
})

t.test('a code that was asked for with a key is redeemed with that key alone (RFC 9449 10)', async (t) => {
  const client = await makeClient(server)
  const { jkt } = await bind(client)
  const other = await bind(client)
  for (const options of [undefined, { DPoP: other.DPoP }]) {
    const { callback, verifier, state } = await authorize(server, client, person, { parameters: { dpop_jkt: jkt } })
    const checks = { pkceCodeVerifier: verifier, expectedState: state }
    await t.rejects(
      openid.authorizationCodeGrant(client.configuration, callback, checks, undefined, options),
      INVALID_GRANT,
    )
  }
})

t.test('a client that says so gets bound tokens only (RFC 9449 5.2)', async (t) => {
  const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'], dpopBound: true })
  await t.rejects(openid.clientCredentialsGrant(machine.configuration), INVALID_GRANT)
  const { DPoP } = await bind(machine)
  t.equal((await openid.clientCredentialsGrant(machine.configuration, undefined, { DPoP })).token_type, 'dpop')

  const metadata = { redirect_uris: ['https://app.example/callback'], dpop_bound_access_tokens: true }
  t.match(await (await register(server, metadata)).json(), { dpop_bound_access_tokens: true })
  const wrong = await register(server, { ...metadata, dpop_bound_access_tokens: 'yes' })
  t.equal(wrong.status, 400)
})

t.test(
  'an exchanged token is bound by the same proofs, and exchanged again by its key alone (RFC 9449 5, RFC 8693 2)',
  async (t) => {
    const exchanger = await makeExchanger(server, { dpopBound: true })
    const key = await apiKey(server)
    const { DPoP, jkt } = await bind(exchanger)
    const parameters = { subject_token: key.token, subject_token_type: tokenType(key.kind), scope: 'profile:read' }
    await t.rejects(openid.genericGrantRequest(exchanger.configuration, TOKEN_EXCHANGE, parameters), INVALID_GRANT)
    const got = await openid.genericGrantRequest(exchanger.configuration, TOKEN_EXCHANGE, parameters, { DPoP })
    t.equal(got.token_type, 'dpop')
    t.strictSame(cnfOf(got.access_token), { jkt })
    const options = [API, 'GET', undefined, undefined, { DPoP }] as const
    t.equal((await openid.fetchProtectedResource(exchanger.configuration, got.access_token, ...options)).status, 200)
    t.equal((await server.fetch('/api/me', { headers: bearer(got.access_token) })).status, 401)
    const again = { ...parameters, subject_token: got.access_token, subject_token_type: tokenType('access_token') }
    const next = await openid.genericGrantRequest(exchanger.configuration, TOKEN_EXCHANGE, again, { DPoP })
    t.strictSame(cnfOf(next.access_token), { jkt })
    const other = await bind(exchanger)
    const refused = openid.genericGrantRequest(exchanger.configuration, TOKEN_EXCHANGE, again, other)
    await t.rejects(refused, Object.assign(new Error(), { error: 'invalid_request', name: 'ResponseBodyError' }))
  },
)

t.test('a nonce that is required is given, and good at each endpoint of the origin (RFC 9449 8, 9)', async (t) => {
  const strict = await startGatehouse(t, { env: { DPOP_NONCE: 'required' } })
  const client = await makeClient(strict, { type: 'machine', scope: ['profile:read'] })
  const key = await makeDpopKey()
  const ask = async (claims: Record<string, unknown>) => {
    const dpop = await makeProof(key, { method: 'POST', url: `${strict.url}/oauth/token` }, { claims })
    const headers = { dpop, authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}` }
    return strict.fetch('/oauth/token', {
      method: 'POST',
      headers,
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
  }
  const call = async (token: string, claims: Record<string, unknown>) => {
    const dpop = await makeProof(key, { url: `${strict.url}/api/me`, token }, { claims })
    return strict.fetch('/api/me', { headers: { authorization: `DPoP ${token}`, dpop } })
  }
  const refused = await ask({})
  t.match(await refused.json(), { error: 'use_dpop_nonce' })
  const nonce = refused.headers.get('dpop-nonce') ?? ''
  t.match(nonce, /^[\w-]{43}$/)
  const { access_token: token } = (await (await ask({ nonce })).json()) as { access_token: string }
  t.equal((await call(token, { nonce })).status, 200, 'a nonce of the token endpoint at the API')

  for (const wrong of [undefined, 'x'.repeat(43), '', 7]) {
    const challenged = await call(token, { nonce: wrong })
    t.equal(challenged.status, 401)
    const error = wrong === 7 ? 'invalid_dpop_proof' : 'use_dpop_nonce'
    t.match(challenged.headers.get('www-authenticate'), new RegExp(`^DPoP error="${error}"`))
    const given = challenged.headers.get('dpop-nonce') ?? ''
    t.equal((await call(token, { nonce: given })).status, 200)
    t.equal((await ask({ nonce: given })).status, 200, 'a nonce of the API at the token endpoint')
  }

  const { DPoP } = await bind(client)
  const bound = await openid.clientCredentialsGrant(client.configuration, undefined, { DPoP })
  t.equal(bound.token_type, 'dpop')
})

t.test('a page of an allowed origin may send proofs and read nonces (RFC 9449 8.2)', async (t) => {
  const origin = 'https://app.example'
  const open = await startGatehouse(t, { env: { CORS_ORIGINS: origin } })
  const asked = {
    origin,
    'access-control-request-method': 'GET',
    'access-control-request-headers': 'authorization,dpop',
  }
  const preflight = await open.fetch('/api/me', { method: 'OPTIONS', headers: asked })
  t.match(preflight.headers.get('access-control-allow-headers'), /dpop/i)
  const answer = await open.fetch('/api/me', { headers: { origin } })
  for (const name of ['DPoP-Nonce', 'WWW-Authenticate'])
    t.match(answer.headers.get('access-control-expose-headers'), new RegExp(name, 'i'))
  const client = await makeClient(open, { type: 'spa' })
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'x', client_id: client.id })
  const atToken = await open.fetch('/oauth/token', { method: 'POST', body, headers: { origin } })
  t.match(atToken.headers.get('access-control-expose-headers'), /dpop-nonce/i)
})
