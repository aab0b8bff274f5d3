import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, importJWK, type JWTPayload, SignJWT } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { createClient } from '../../src/clients/clients.ts'
import { Browser } from '../fixtures/browser.ts'
import { passPages, REDIRECT_URI } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { register, withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const person = await makePerson(server)

const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
const rsa = await generateKeyPair('RS256', { extractable: true })
const keyOf = async (key: typeof publicKey, kid: string) => ({ ...(await exportJWK(key)), kid, use: 'sig' })
const jwks = { keys: [await keyOf(publicKey, 'k'), await keyOf(rsa.publicKey, 'r')] }
const input = { name: 'Bank App', type: 'web', redirectUris: [REDIRECT_URI], profile: 'fapi2', keys: { jwks } } as const
const { client, secret } = await createClient(server.db, input)
const { id } = client
const configuration = await openid.discovery(
  new URL(server.url),
  id,
  undefined,
  openid.PrivateKeyJwt({ key: privateKey, kid: 'k' }),
  { execute: [openid.allowInsecureRequests] },
)
const DPoP = openid.getDPoPHandle(configuration, await openid.randomDPoPKeyPair('ES256'))

const ASKED: Record<string, string> = {
  client_id: id,
  redirect_uri: REDIRECT_URI,
  response_type: 'code',
  scope: 'openid offline_access profile:read',
  state: 's-1',
  prompt: 'consent',
  code_challenge_method: 'S256',
  code_challenge: 'c'.repeat(43),
}
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

/** Pushes a request with an assertion that is in order but for what is changed. */
async function push(
  { claims = {}, header = {}, key = privateKey }: { claims?: JWTPayload; header?: object; key?: typeof privateKey },
  changes: Record<string, string | undefined> = {},
) {
  const assertion = await new SignJWT({
    iss: id,
    sub: id,
    aud: server.url,
    jti: randomUUID(),
    exp: inSeconds(60),
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'k', ...header })
    .sign(key)
  const parameters = Object.entries({ ...ASKED, ...changes }).filter(([, value]) => value !== undefined)
  const body = new URLSearchParams(parameters as [string, string][])
  body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
  body.set('client_assertion', assertion)
  const response = await server.fetch('/oauth/par', { method: 'POST', body })
  return { status: response.status, ...((await response.json()) as { error?: string; request_uri?: string }) }
}

/** Has a library push, sign in, consent and come back. */
async function codeOf(more: Record<string, string> = {}) {
  const pkceCodeVerifier = openid.randomPKCECodeVerifier()
  const code_challenge = await openid.calculatePKCECodeChallenge(pkceCodeVerifier)
  const url = await openid.buildAuthorizationUrlWithPAR(configuration, { ...ASKED, code_challenge, ...more }, { DPoP })
  const browser = new Browser(server)
  const end = new URL((await passPages(browser, await browser.goto(url.href), person)).url)
  const checks = { pkceCodeVerifier, expectedState: 's-1' }
  return { end, redeem: (options?: object) => openid.authorizationCodeGrant(configuration, end, checks, {}, options) }
}

t.test('a client of the profile gets its tokens and calls the API (FAPI 2.0 5.3.2)', async (t) => {
  t.equal(secret, undefined, 'it has no secret')
  const { end, redeem } = await codeOf()
  t.equal(end.searchParams.get('iss'), server.url)
  const tokens = await redeem({ DPoP })
  t.equal(tokens.token_type, 'dpop')
  t.match(decodeJwt(tokens.access_token), { cnf: { jkt: String } })
  t.equal(decodeProtectedHeader(tokens.access_token).alg, 'ES256')
  t.equal(decodeProtectedHeader(tokens.id_token ?? '').alg, 'ES256')
  const me = new URL('/api/me', server.url)
  const options = { DPoP }
  const called = await openid.fetchProtectedResource(
    configuration,
    tokens.access_token,
    me,
    'GET',
    undefined,
    undefined,
    options,
  )
  t.equal(called.status, 200)
  t.equal((await server.fetch('/api/me', { headers: bearer(tokens.access_token) })).status, 401, 'and not as Bearer')
  const refreshed = await openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '', undefined, options)
  t.equal(refreshed.token_type, 'dpop')
})

t.test('its requests are pushed, by its key, and whole (FAPI 2.0 5.3.2.2)', async (t) => {
  const direct = await new Browser(server).goto(withQuery('/oauth/authorize', ASKED))
  t.match(direct.url, 'error=invalid_request')
  t.equal((await push({})).status, 201)
  t.match(await push({}, { code_challenge: undefined }), { error: 'invalid_request' })
  t.match(await push({}, { code_challenge_method: 'plain' }), { error: 'invalid_request' })
  t.match(await push({}, { redirect_uri: undefined }), { error: 'invalid_request' }, 'though it has only one')
  t.match(await push({}, { redirect_uri: `${REDIRECT_URI}/x` }), { error: 'invalid_request' })
  t.match(await push({}, { response_type: 'code id_token' }), { error: 'unsupported_response_type' })
  for (const secret of [[['client_secret', 'x']], []] as [string, string][][]) {
    const body = new URLSearchParams([...Object.entries(ASKED), ...secret])
    t.equal((await server.fetch('/oauth/par', { method: 'POST', body })).status, 401, 'no other authentication')
  }
})

t.test('its assertions: for the issuer alone, by PS256, ES256 or EdDSA (FAPI 2.0 5.3.2.1, 5.4.1)', async (t) => {
  for (const aud of [`${server.url}/oauth/par`, `${server.url}/oauth/token`, [server.url], [server.url, 'x']]) {
    t.match(await push({ claims: { aud } }), { status: 401, error: 'invalid_client' }, JSON.stringify(aud))
  }
  const wrong = await push({ header: { alg: 'RS256', kid: 'r' }, key: rsa.privateKey })
  t.match(wrong, { status: 401, error: 'invalid_client' })
  const key = (await importJWK(await exportJWK(rsa.privateKey), 'PS256')) as typeof privateKey
  t.equal((await push({ header: { alg: 'PS256', kid: 'r' }, key })).status, 201, 'by the same key')
})

t.test('clocks may be ahead by seconds, not by more than a minute (FAPI 2.0 5.3.2.1)', async (t) => {
  for (const claim of ['iat', 'nbf']) {
    t.equal((await push({ claims: { [claim]: inSeconds(10) } })).status, 201, claim)
    t.equal((await push({ claims: { [claim]: inSeconds(75), exp: inSeconds(120) } })).status, 401, claim)
  }
})

t.test('its signed requests are of the profile too (FAPI 2.0 Message Signing 5.3.1)', async (t) => {
  const request = (claims: JWTPayload, header: { alg: string; kid: string }, key = privateKey) =>
    new SignJWT({ ...ASKED, iss: id, aud: server.url, ...claims }).setProtectedHeader(header).sign(key)
  const bounded = { nbf: inSeconds(0), exp: inSeconds(300) }
  const es256 = { alg: 'ES256', kid: 'k' }
  t.equal((await push({}, { request: await request(bounded, es256) })).status, 201)
  for (const [name, signed] of Object.entries({
    'without nbf': await request({ exp: inSeconds(300) }, es256),
    'longer than an hour': await request({ nbf: inSeconds(-600), exp: inSeconds(3300) }, es256),
    RS256: await request(bounded, { alg: 'RS256', kid: 'r' }, rsa.privateKey),
  })) {
    t.match(await push({}, { request: signed }), { error: 'invalid_request_object' }, name)
  }
})

t.test('it gets no token that is not bound, by code or by refresh (FAPI 2.0 5.3.2.1)', async (t) => {
  const refused = (request: Promise<unknown>) =>
    request.then(
      () => 'none',
      (error: { error?: string }) => error.error,
    )
  const { redeem } = await codeOf()
  t.match(await refused(redeem()), /^invalid_(grant|request|dpop_proof)$/)
  const tokens = await (await codeOf()).redeem({ DPoP })
  const unbound = openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '')
  t.match(await refused(unbound), /^invalid_(grant|request|dpop_proof)$/)
})

t.test('no client has the profile that cannot keep to it, nor gives it to itself (FAPI 2.0 5.3.2)', async (t) => {
  for (const wrong of [
    { keys: undefined },
    { type: 'spa' as const },
    { type: 'native' as const },
    { redirectUris: ['http://127.0.0.1/callback'] },
    { keys: { jwks: { keys: [{ ...jwks.keys[0], d: 'x' }] } } },
    { keys: { jwks: { keys: [] } } },
    { keys: { jwksUri: 'http://app.example/jwks' } },
  ]) {
    await t.rejects(createClient(server.db, { ...input, ...wrong }), JSON.stringify(wrong))
  }
  const registered = await register(server, { redirect_uris: [REDIRECT_URI], security_profile: 'fapi2' })
  t.equal(registered.status, 400)

  const operator = createOperator(server.env)
  const file = join(t.testdir(), 'jwks.json')
  writeFileSync(file, JSON.stringify(jwks))
  const words = ['clients', 'create', '--name', 'B', '--type', 'web', '--redirect-uri', REDIRECT_URI, '--jwks', file]
  const made = await operator.run<{ client_id: string }>(t, [...words, '--profile', 'fapi2'])
  t.strictSame(Object.keys(made), ['client_id'])
  const { clients } = await operator.run<{ clients: { client_id: string }[] }>(t, ['clients', 'list'])
  t.match(
    clients.find(({ client_id }) => client_id === made.client_id),
    { profile: 'fapi2', require_pushed_authorization_requests: true, dpop_bound_access_tokens: true },
  )
  t.match(await operator.refused(t, [...words, '--profile', 'fapi1']), '--profile is one of fapi2')
})
