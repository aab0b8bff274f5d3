import * as openid from 'openid-client'
import t from 'tap'
import { Browser, type Page } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, REDIRECT_URI, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { part, signAs } from '../fixtures/keys.ts'
import { makePerson } from '../fixtures/people.ts'
import { meStatus, register, withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const person = await makePerson(server)
const AFTERWARDS = 'https://app.example/bye'
const client = await makeClientWith([AFTERWARDS])
const ours = { origin: server.url, 'sec-fetch-site': 'same-origin' }

/** A client that registers itself, with the URIs it may send a person to after signing out. */
async function makeClientWith(post_logout_redirect_uris: string[]) {
  const metadata = { redirect_uris: [REDIRECT_URI], client_name: 'Leaving App', post_logout_redirect_uris }
  const { client_id: id, client_secret: secret } = (await (await register(server, metadata)).json()) as Record<
    string,
    string
  >
  const configuration = await openid.discovery(
    new URL(server.url),
    id ?? '',
    secret,
    openid.ClientSecretBasic(secret),
    {
      execute: [openid.allowInsecureRequests],
    },
  )
  return { id: id ?? '', secret, redirectUri: REDIRECT_URI, configuration }
}

/** A browser that is signed in, with what the client and our own pages got of it. */
async function signedIn(scope = 'openid profile:read') {
  const { browser, redeem } = await authorize(server, client, person, { parameters: { scope } })
  const { access_token, refresh_token = '', id_token = '' } = await redeem()
  const refreshed = await browser.request('/api/auth/refresh', { method: 'POST', headers: ours })
  const { accessToken } = (await refreshed.json()) as { accessToken: string }
  return { browser, access_token, refresh_token, id_token, accessToken }
}

const logout = (parameters: Record<string, string> = {}) => withQuery('/oauth/logout', parameters)

/** Whether the next authorization request asks for the password. */
async function asksToSignIn(browser: Browser): Promise<boolean> {
  const { url } = await authorizationRequest(client, { scope: 'openid' })
  return /name="password"/.test((await browser.goto(url.href)).html)
}

const confirm = (browser: Browser, page: Page) => browser.submit(page, page.form('/confirm'), { logout: 'yes' })

t.test('who signs out is signed out of all (OpenID Connect RP-Initiated Logout 2, ASVS V7.4.1)', async (t) => {
  const { browser, access_token, refresh_token, id_token, accessToken } = await signedIn()
  for (const token of [access_token, accessToken]) t.equal(await meStatus(server, token), 200)
  const before = new Map(browser.cookies)
  const elsewhere = await signedIn()

  const hint = { id_token_hint: id_token, post_logout_redirect_uri: AFTERWARDS, state: 'a b&c' }
  const page = await browser.goto(logout(hint))
  t.match(page.html, 'Leaving App', 'the page says who asks')
  t.equal(await asksToSignIn(browser), false, 'and nothing happens until the person says so (ASVS V10.6.2)')
  const end = new URL((await confirm(browser, await browser.goto(logout(hint)))).url)
  t.equal(end.origin + end.pathname, AFTERWARDS)
  t.same(Object.fromEntries(end.searchParams), { state: 'a b&c' })

  t.equal(await asksToSignIn(browser), true)
  const replayed = new Browser(server)
  for (const [name, cookie] of before) replayed.cookies.set(name, cookie)
  t.equal(await asksToSignIn(replayed), true, 'also with the cookies of before')
  const refreshed = await replayed.request('/api/auth/refresh', { method: 'POST', headers: ours })
  t.equal(refreshed.status, 401, 'the first-party session')
  t.equal(await meStatus(server, accessToken), 401, 'its JWT')
  t.equal(await meStatus(server, access_token), 401, 'the client’s access token')
  const again = await tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token })
  t.equal(again.status, 400, 'the client’s refresh token')

  t.equal(await asksToSignIn(elsewhere.browser), false, 'another browser of the same person stays')
  t.equal(await meStatus(server, elsewhere.access_token), 200)
})

t.test('offline access outlives the sign-out (OpenID Connect Core 11)', async (t) => {
  const { browser, access_token, refresh_token } = await signedIn('openid profile:read offline_access')
  await confirm(browser, await browser.goto(logout()))
  t.equal(await meStatus(server, access_token), 200)
  const again = await tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token })
  t.equal(again.status, 200)
})

t.test('without a hint the person is asked, and told when it is done (RP-Initiated Logout 2)', async (t) => {
  const { browser } = await signedIn()
  const page = await browser.goto(logout({ post_logout_redirect_uri: AFTERWARDS }))
  t.equal(page.status, 200)
  const done = await confirm(browser, page)
  t.equal(new URL(done.url).pathname, '/oauth/logout/success', 'nobody is sent to where no client vouches for')
  t.match(done.html, /signed out/i)
  t.equal(await asksToSignIn(browser), true)

  const named = await signedIn()
  const asked = await named.browser.goto(logout({ client_id: client.id, post_logout_redirect_uri: AFTERWARDS }))
  t.equal((await confirm(named.browser, asked)).url, AFTERWARDS, 'the client may be named instead')
})

t.test('hints and languages that change nothing here fail no request (RP-Initiated Logout 2)', async (t) => {
  const { browser, id_token } = await signedIn()
  const parameters = { post_logout_redirect_uri: AFTERWARDS, ui_locales: 'fr-CA fr', logout_hint: person.email }
  const page = await browser.goto(logout({ id_token_hint: id_token, client_id: client.id, ...parameters }))
  t.equal((await confirm(browser, page)).url, AFTERWARDS)
  t.equal(await asksToSignIn(browser), true)
})

t.test('the request may come by POST (RP-Initiated Logout 2)', async (t) => {
  const { browser, id_token } = await signedIn()
  const body = new URLSearchParams({ id_token_hint: id_token, post_logout_redirect_uri: AFTERWARDS })
  const page = await browser.goto('/oauth/logout', { method: 'POST', body })
  t.equal((await confirm(browser, page)).url, AFTERWARDS)
  t.equal(await asksToSignIn(browser), true)
})

t.test('a hint that is not a good ID token of ours is refused (RP-Initiated Logout 4, ASVS V6.8.2)', async (t) => {
  const { browser, id_token, access_token } = await signedIn()
  const [head = '', payload = '', signature = ''] = id_token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
  const forge = (changes: object) => `${head}.${part({ ...claims, ...changes })}.${signature}`
  const other = await makeClient(server)
  const hints: Record<string, string> = {
    garbage: 'garbage',
    'no signature': `${head}.${payload}.`,
    'no algorithm': `${part({ alg: 'none' })}.${payload}.`,
    'another key': await signAs(server, claims, {}, 'first_party'),
    'another algorithm': await signAs(server, claims, {}),
    'another person': forge({ sub: 'x' }),
    'another client': forge({ aud: other.id }),
    'an unknown client': forge({ aud: 'client_unknown' }),
    'two clients': forge({ aud: [client.id, other.id] }),
    'a client that is no text': forge({ aud: { x: 1 } }),
    'a client with a NUL': forge({ aud: '\0' }),
    'no client': forge({ aud: undefined }),
    'an access token': access_token,
  }
  for (const [name, id_token_hint] of Object.entries(hints)) {
    const page = await browser.goto(logout({ id_token_hint, post_logout_redirect_uri: AFTERWARDS }))
    t.equal(page.status, 400, name)
    t.match(page.headers.get('content-type'), 'text/html')
  }
  t.equal(
    (await browser.goto(logout({ id_token_hint: id_token, client_id: other.id }))).status,
    400,
    'nor another name',
  )
  t.equal(await asksToSignIn(browser), false)
})

t.test('nobody is sent where the client has not registered (RP-Initiated Logout 3, RFC 9700 4.11)', async (t) => {
  const { browser, id_token } = await signedIn()
  const others = [
    'https://evil.example/',
    `${AFTERWARDS}/`,
    `${AFTERWARDS}?next=https://evil.example`,
    `${AFTERWARDS}#f`,
    'https://app.example/bye/../evil',
    'https://app.example@evil.example/bye',
    'javascript:alert(1)',
    REDIRECT_URI,
    '/bye',
  ]
  for (const post_logout_redirect_uri of others) {
    const page = await browser.goto(logout({ id_token_hint: id_token, post_logout_redirect_uri }))
    t.equal(page.status, 400, post_logout_redirect_uri)
    t.notMatch(page.html, /evil\.example|javascript:/)
  }
  for (const uri of ['javascript:alert(1)', 'data:text/html,x', 'com.example.app:/bye', `${AFTERWARDS}#f`, '/bye']) {
    const metadata = { redirect_uris: [REDIRECT_URI], post_logout_redirect_uris: [uri] }
    t.equal((await register(server, metadata)).status, 400, `${uri} is not registered either`)
  }
})

t.test('who would rather stay signed in stays (RP-Initiated Logout 2)', async (t) => {
  const { browser } = await signedIn()
  const page = await browser.goto(logout())
  const stayed = await browser.submit(page, page.form('/confirm'))
  t.equal(stayed.status, 200)
  t.notMatch(stayed.html, /You are signed out|has ended/, 'and is not told otherwise')
  t.equal(await asksToSignIn(browser), false)
  t.equal((await browser.request('/api/auth/refresh', { method: 'POST', headers: ours })).status, 200)
})

t.test('no other site signs a person out (ASVS V10.6.2)', async (t) => {
  const { browser } = await signedIn()
  const page = await browser.goto(logout())
  for (const xsrf of ['', 'guess']) {
    const body = new URLSearchParams({ xsrf, logout: 'yes' })
    t.equal((await browser.request('/oauth/logout/confirm', { method: 'POST', body })).status, 400)
  }
  const other = await signedIn()
  const { xsrf = '' } = page.form('/confirm').fields
  const body = new URLSearchParams({ xsrf, logout: 'yes' })
  const stolen = await other.browser.request('/oauth/logout/confirm', { method: 'POST', body })
  t.equal(stolen.status, 400, 'the page of one browser is of no use in another')
  for (const each of [browser, other.browser]) t.equal(await asksToSignIn(each), false)
})

t.test('signing out when nobody is signed in is no error', async (t) => {
  const browser = new Browser(server)
  const page = await browser.goto(logout())
  t.equal(page.status, 200)
  t.match((await browser.submit(page, page.form('/confirm'))).html, /signed out/i)
})

t.test('signing out at our own pages is signing out everywhere (ASVS V7.4.1)', async (t) => {
  const { browser, accessToken } = await signedIn()
  t.equal(await asksToSignIn(browser), false)
  const response = await browser.request('/api/auth/logout', { method: 'POST', headers: ours })
  t.equal(response.status, 200)
  t.equal(await meStatus(server, accessToken), 401)
  t.equal(await asksToSignIn(browser), true, 'the next authorization request asks')
  const { url } = await authorizationRequest(client, { scope: 'openid', prompt: 'none' })
  t.match((await browser.goto(url.href)).url, /error=login_required/)
})
