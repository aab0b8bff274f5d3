import * as openid from 'openid-client'
import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, passPages } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)

t.test('a third-party app gets consent, tokens and the API (RFC 6749 4.1, OpenID Connect Core 3.1)', async (t) => {
  const client = await makeClient(server)
  const { url, verifier, state } = await authorizationRequest(client, { nonce: 'n-1' })
  const browser = new Browser(server)

  const signIn = await browser.goto(url.href)
  t.equal(signIn.status, 200)
  t.match(signIn.html, /Example App/)
  const consent = await browser.submit(signIn, signIn.form('/login'), {
    email: person.email,
    password: person.password,
  })
  t.match(consent.html, /app\.example/, 'names the host of the client')
  t.match(consent.html, /Read your name, e-mail address and role/, 'says each scope in a sentence')
  const end = await browser.submit(consent, consent.form('/consent'))

  const callback = new URL(end.url)
  t.equal(callback.origin + callback.pathname, client.redirectUri)
  t.equal(callback.searchParams.get('iss'), server.url, 'RFC 9207')

  const tokens = await openid.authorizationCodeGrant(client.configuration, callback, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: 'n-1',
  })
  t.equal(tokens.claims()?.sub, person.id)
  t.equal(tokens.claims()?.email, person.email)
  t.ok(tokens.refresh_token)

  const me = await server.fetch('/api/me', { headers: bearer(tokens.access_token) })
  t.equal(me.status, 200)
  t.match(await me.json(), {
    subject: { kind: 'account', id: person.id },
    email: person.email,
    scopes: ['profile:read'],
  })
})

t.test('an access token without API scopes is for userinfo (OpenID Connect Core 5.3)', async (t) => {
  const client = await makeClient(server)
  const { redeem } = await authorize(server, client, person, { parameters: { scope: 'openid email' } })
  const tokens = await redeem()
  const info = await openid.fetchUserInfo(client.configuration, tokens.access_token, person.id)
  t.equal(info.email, person.email)
  t.equal((await server.fetch('/api/me', { headers: bearer(tokens.access_token) })).status, 401, 'for another audience')
})

t.test('denying consent tells the client so (RFC 6749 4.1.2.1)', async (t) => {
  const client = await makeClient(server)
  const browser = new Browser(server)
  const { url } = await authorizationRequest(client)
  const signIn = await browser.goto(url.href)
  const consent = await browser.submit(signIn, signIn.form('/login'), {
    email: person.email,
    password: person.password,
  })
  const end = await browser.submit(consent, consent.form('/abort'))
  t.equal(new URL(end.url).searchParams.get('error'), 'access_denied')
})

t.test('who is signed in already is not asked again', async (t) => {
  const client = await makeClient(server)
  const browser = new Browser(server)
  await (await authorize(server, client, person, { browser })).redeem()
  const { url } = await authorizationRequest(client, { prompt: 'login' })
  t.match((await browser.goto(url.href)).html, /name="password"/, 'but prompt=login is obeyed')

  const other = await makeClient(server)
  const again = await browser.goto((await authorizationRequest(other)).url.href)
  t.match(again.html, /\/consent"/, 'straight to consent')
  const done = await passPages(browser, again, person)
  t.ok(new URL(done.url).searchParams.get('code'))
})
