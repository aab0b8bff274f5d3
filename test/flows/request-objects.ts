import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { Browser, type Page } from '../fixtures/browser.ts'
import { IN_ORDER, makeClient, REDIRECT_URI, type RelyingParty, redeemAfterPages } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { part } from '../fixtures/keys.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { clientPost, withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', use: 'sig', alg: 'ES256' }] }
const client = await makeClient(server, { keys: { jwks } })
const strict = await makeClient(server, { keys: { jwks }, requireSignedRequestObject: true })
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

/** The claims of a request that is in order but for what is changed; undefined leaves a claim out. */
const claimsOf = (by: RelyingParty, changes: JWTPayload = {}): JWTPayload => ({
  ...IN_ORDER,
  client_id: by.id,
  iss: by.id,
  aud: server.url,
  exp: inSeconds(300),
  ...changes,
})

const sign = (claims: JWTPayload, header: { alg?: string; typ?: string } = {}, key = privateKey) =>
  new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'oauth-authz-req+jwt', ...header }).sign(key)

/** Sends a request object with no more beside it than a browser must bring. */
const send = (request: string, by: RelyingParty = client, beside: Record<string, string> = {}): Promise<Page> =>
  new Browser(server).goto(
    withQuery('/oauth/authorize', { client_id: by.id, redirect_uri: REDIRECT_URI, request, ...beside }),
  )
const goesOn = ({ html }: Page) => html.includes('name="password"')

t.test('a signed request by value, and pushed, gets its code and tokens (RFC 9101 4, 5.1)', async (t) => {
  for (const by of [client, strict]) {
    const { configuration } = by
    const verifier = openid.randomPKCECodeVerifier()
    const parameters = { ...IN_ORDER, code_challenge: await openid.calculatePKCECodeChallenge(verifier) }
    const signed = await openid.buildAuthorizationUrlWithJAR(configuration, parameters, { key: privateKey, kid: 'k' })
    t.strictSame([...signed.searchParams.keys()].sort(), ['client_id', 'request'])
    const pushed = await openid.buildAuthorizationUrlWithPAR(configuration, signed.searchParams)
    t.strictSame([...pushed.searchParams.keys()].sort(), ['client_id', 'request_uri'])

    for (const url of [signed, pushed]) {
      const tokens = await redeemAfterPages(server, configuration, { url, verifier, person })
      t.equal((await server.fetch('/api/me', { headers: bearer(tokens.access_token) })).status, 200)
    }
  }
})

t.test('what is outside of the signed request does not count (RFC 9101 6.3)', async (t) => {
  const browser = new Browser(server)
  const request = await sign(claimsOf(client, { scope: 'openid' }))
  const beside = { scope: 'openid email profile:read', state: 'evil', nonce: 'evil', resource: `${server.url}/api` }
  const page = await browser.goto(withQuery('/oauth/authorize', { client_id: client.id, request, ...beside }))
  const consent = await browser.submit(page, page.form('/login'), { email: person.email, password: person.password })
  t.notMatch(consent.html, /e-mail address/)
  const end = await browser.submit(consent, consent.form('/consent'))
  t.equal(new URL(end.url).searchParams.get('state'), 's-1')
  const without = await sign(claimsOf(client, { code_challenge: undefined, code_challenge_method: undefined }))
  const { code_challenge = '', code_challenge_method = '' } = IN_ORDER
  t.match((await send(without, client, { code_challenge, code_challenge_method })).url, 'error=invalid_request')
})

t.test('only a signature by a key of the client will do, never none (RFC 9101 6.1, 10.1, RFC 8725 3.1)', async (t) => {
  t.ok(goesOn(await send(await sign(claimsOf(client)))))
  const other = await generateKeyPair('ES256')
  const claims = claimsOf(client)
  const good = await sign(claims)
  const secret = new TextEncoder().encode(client.secret)
  for (const [name, request] of Object.entries({
    'another key': await sign(claims, {}, other.privateKey),
    unsigned: `${part({ alg: 'none' })}.${part(claims)}.`,
    'a secret': await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret),
    'no signature': `${good.split('.').slice(0, 2).join('.')}.`,
    'another payload': good.replace(/\.[^.]+\./, `.${part({ ...claims, scope: 'openid email' })}.`),
    'another spelling': `${good}=`,
    'another client': await sign(claimsOf(strict)),
    garbage: 'garbage',
    encrypted: 'a.b.c.d.e',
  })) {
    const page = await send(request)
    t.notOk(goesOn(page), name)
    t.match(page.url + page.html, 'invalid_request_object', name)
    const pushed = await clientPost(server, '/oauth/par', client, { client_id: client.id, request })
    t.match(await pushed.json(), { error: 'invalid_request_object' }, `${name}, pushed`)
  }
})

t.test('who, for whom, since when and until when are checked (RFC 9101 4, 10.8, RFC 7519 4.1)', async (t) => {
  for (const changes of [
    { iss: undefined },
    { iss: 'another' },
    { aud: undefined },
    { aud: `${server.url}/oauth/token` },
    { exp: undefined },
    { exp: inSeconds(-60) },
    { exp: inSeconds(2 * 3600) },
    { exp: '9999999999' as never },
    { nbf: inSeconds(600) },
    { client_id: undefined },
    { client_id: strict.id },
    { sub: client.id },
    { request: 'x' },
    { request_uri: 'urn:x' },
    { state: 'a\0b' },
    { state: '\ud800' },
  ]) {
    const page = await send(await sign(claimsOf(client, changes as JWTPayload)))
    t.match(page.url + page.html, 'invalid_request_object', JSON.stringify(changes))
  }
  t.ok(goesOn(await send(await sign(claimsOf(client, { aud: [server.url, 'https://other.example'] })))))
})

t.test(
  'no other token the client signs is a request, and no request is one (RFC 9101 10.8, RFC 8725 3.11)',
  async (t) => {
    for (const typ of ['client-authentication+jwt', 'dpop+jwt', 'at+jwt', 'x']) {
      const page = await send(await sign(claimsOf(client), { typ }))
      t.match(page.url + page.html, 'invalid_request_object', typ)
    }
    for (const typ of ['JWT', 'application/oauth-authz-req+jwt', 'OAUTH-AUTHZ-REQ+JWT']) {
      t.ok(goesOn(await send(await sign(claimsOf(client), { typ }))), typ)
    }
    const keyed = await makeClient(server, { keys: { jwks }, authentication: 'private_key_jwt' })
    const assertion = (typ?: string) =>
      sign({ ...claimsOf(keyed), sub: keyed.id, jti: randomUUID() }, typ === undefined ? {} : { typ })
    const authenticate = async (client_assertion: string) => {
      const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
      const body = new URLSearchParams({ ...IN_ORDER, client_id: keyed.id, client_assertion, client_assertion_type })
      return (await server.fetch('/oauth/par', { method: 'POST', body })).status
    }
    t.equal(await authenticate(await assertion('JWT')), 201)
    t.equal(await authenticate(await assertion()), 401)
  },
)

t.test('a client that must sign is refused when it does not, also when it pushes (RFC 9101 10.5)', async (t) => {
  const page = await new Browser(server).goto(withQuery('/oauth/authorize', { ...IN_ORDER, client_id: strict.id }))
  t.match(page.url, `${REDIRECT_URI}?error=invalid_request`)
  const pushed = await clientPost(server, '/oauth/par', strict, { ...IN_ORDER, client_id: strict.id })
  t.equal(pushed.status, 400)
  t.match(await pushed.json(), { error: 'invalid_request' })
})

t.test('a request by reference is not fetched (RFC 9101 10.4)', async (t) => {
  for (const request_uri of ['https://app.example/request', 'http://127.0.0.1:1/', 'file:///etc/passwd', 'urn:x']) {
    const query = withQuery('/oauth/authorize', { ...IN_ORDER, client_id: client.id, request_uri })
    t.match((await new Browser(server).goto(query)).url, 'error=request_uri_not_supported', request_uri)
  }
  const request = await sign(claimsOf(client))
  t.match((await send(request, client, { request_uri: 'urn:x' })).url, /error=/)
})
