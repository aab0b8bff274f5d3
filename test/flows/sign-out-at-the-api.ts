import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const client = await makeClient(server)
const opaque = await makeClient(server, { accessTokenFormat: 'opaque' })
const ours = { origin: server.url, 'sec-fetch-site': 'same-origin' }

/** A browser in which the person has signed in, with the tokens two clients got of it. */
async function signedIn(scope: string) {
  const browser = new Browser(server)
  const parameters = { scope }
  const tokens = []
  for (const each of [client, opaque]) {
    const { redeem } = await authorize(server, each, person, { parameters, browser })
    const { access_token, refresh_token = '' } = await redeem()
    tokens.push({ client: each, access_token, refresh_token })
  }
  const refreshed = await browser.request('/api/auth/refresh', { method: 'POST', headers: ours })
  return { browser, tokens, jwt: ((await refreshed.json()) as { accessToken: string }).accessToken }
}

const signOut = (browser: Browser, headers: Record<string, string> = {}) =>
  browser.request('/api/auth/logout', { method: 'POST', headers: { ...ours, ...headers } })

t.test('signing out at the API ends what the browser’s sign-in gave to clients (ASVS V7.4.1)', async (t) => {
  for (const byJwt of [false, true]) {
    const { browser, tokens, jwt } = await signedIn('openid profile:read')
    const before = new Map(browser.cookies)
    const elsewhere = await signedIn('openid profile:read')
    if (byJwt) browser.cookies.delete('gatehouse_refresh')
    t.equal((await signOut(browser, byJwt ? bearer(jwt) : {})).status, 200, byJwt ? 'by its JWT' : 'by its cookie')

    for (const { client, access_token, refresh_token } of tokens) {
      t.equal(await meStatus(server, access_token), 401, 'the access token')
      const again = await tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token })
      t.equal(again.status, 400, 'the refresh token')
      const told = await clientPost(server, '/oauth/introspect', client, { token: access_token })
      t.match(await told.json(), { active: false })
    }
    t.same(
      [...browser.cookies.keys()].filter((name) => name.includes('sso')),
      [],
      'the engine’s cookie',
    )
    const replayed = new Browser(server)
    for (const [name, cookie] of before) replayed.cookies.set(name, cookie)
    const { url } = await authorizationRequest(client, { scope: 'openid', prompt: 'none' })
    t.match((await replayed.goto(url.href)).url, 'error=login_required', 'also with the cookies of before')

    for (const { access_token } of elsewhere.tokens) t.equal(await meStatus(server, access_token), 200, 'not elsewhere')
  }
})

t.test('offline access outlives it (OpenID Connect Core 11)', async (t) => {
  const { browser, tokens } = await signedIn('openid profile:read offline_access')
  t.equal((await signOut(browser)).status, 200)
  for (const { client, access_token, refresh_token } of tokens) {
    t.equal(await meStatus(server, access_token), 200)
    const again = await tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token })
    t.equal(again.status, 200)
  }
})

t.test('who signs out in the browser of another leaves the other’s sign-in alone', async (t) => {
  const { browser, tokens } = await signedIn('openid profile:read')
  const { accessToken } = await signIn(server, await makePerson(server))
  browser.cookies.delete('gatehouse_refresh')
  t.equal((await signOut(browser, bearer(accessToken))).status, 200)
  for (const { access_token } of tokens) t.equal(await meStatus(server, access_token), 200)
})
