import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { Browser, type Page } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, passPages, REDIRECT_URI } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, type Person } from '../fixtures/people.ts'
import { meStatus, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const person = await makePerson(server)
const client = await makeClient(server)

const isSignIn = /name="password"/
const isConsent = /action="[^"]*\/consent"/
const credentials = ({ email, password }: Person) => ({ email, password })

/** A new authorization request of a client, in a browser; `prompt` and all else as the caller says. */
async function request(browser: Browser, of = client, parameters: Record<string, string> = {}): Promise<Page> {
  const { url } = await authorizationRequest(of, { scope: 'openid profile:read', prompt: '', ...parameters })
  return browser.goto(url.href)
}

function isGuarded(t: Test, { headers, html }: Page, name: string): void {
  const policy = headers.get('content-security-policy') ?? ''
  t.match(policy, /frame-ancestors 'none'/, `${name}: no frame holds it (RFC 9700 4.16)`)
  t.match(policy, /default-src 'none'/)
  t.notMatch(policy, /unsafe-|\*/)
  t.match(headers.get('x-frame-options'), /^deny$/i)
  t.equal(headers.get('referrer-policy'), 'no-referrer', 'its address goes nowhere (RFC 9700 4.2.4)')
  t.equal(headers.get('x-content-type-options'), 'nosniff')
  const hosts = [...html.matchAll(/(?:https?:)?\/\/[^\s"'<>]+/g)].map(([url]) => new URL(url, server.url).origin)
  t.same(
    hosts.filter((origin) => origin !== server.url),
    [],
    'it loads nothing of others (RFC 9700 4.2.4)',
  )
}

t.test('every page of a sign-in is guarded', async (t) => {
  const browser = new Browser(server)
  const signIn = await request(browser)
  isGuarded(t, signIn, 'sign-in')
  isGuarded(t, await browser.goto(`${signIn.url}/create-account`), 'create account')
  const wrong = await browser.submit(signIn, signIn.form('/login'), { email: person.email, password: 'wrong' })
  t.equal(wrong.status, 401)
  isGuarded(t, wrong, 'wrong password')
  const consent = await browser.submit(signIn, signIn.form('/login'), credentials(person))
  t.match(consent.html, isConsent)
  isGuarded(t, consent, 'consent')
  isGuarded(t, await request(new Browser(server), client, { redirect_uri: 'https://evil.example/' }), 'error')
  isGuarded(t, await new Browser(server).goto('/interaction/unknown'), 'expired')

  const signOut = await browser.goto('/oauth/logout')
  isGuarded(t, signOut, 'sign out')
  isGuarded(t, await browser.submit(signOut, signOut.form(), { logout: 'yes' }), 'signed out')
})

t.test('who typed a password is led on by 303, which drops the form (RFC 9700 4.12)', async (t) => {
  const browser = new Browser(server)
  const signIn = await request(browser)
  const post = (path: string, body = {}) =>
    browser.request(path, { method: 'POST', body: new URLSearchParams(body), headers: { origin: server.url } })

  const signedIn = await post(signIn.form('/login').action, credentials(person))
  t.equal(signedIn.status, 303)
  const consent = await browser.goto(signedIn.headers.get('location') ?? '')
  const allowed = await post(consent.form('/consent').action)
  t.equal(allowed.status, 303)
  const answer = await browser.request(allowed.headers.get('location') ?? '')
  t.equal(answer.status, 303)
  t.match(answer.headers.get('location'), `${REDIRECT_URI}?code=`)
})

t.test('an interaction belongs to the browser it began in (Keycloak CVE-2026-7507)', async (t) => {
  const browser = new Browser(server)
  const signIn = await request(browser)
  const thief = new Browser(server)
  const own = await request(thief)

  for (const page of [
    await thief.goto(signIn.url),
    await thief.submit(signIn, signIn.form('/login'), credentials(person)),
  ]) {
    t.equal(page.status, 400)
    t.match(page.html, /another browser/, 'a page says so')
  }
  const [name, uid] = ['gatehouse_interaction', new URL(own.url).pathname.split('/').at(-1)]
  const signature = thief.cookies.get(`${name}.sig`)?.value
  const cookie = `${name}=${uid}; ${name}.sig=${signature}`
  const forged = await server.fetch(new URL(signIn.url).pathname, { headers: { cookie } })
  t.equal(forged.status, 400, 'nor does the cookie of one open another')
  t.match(
    (await browser.submit(signIn, signIn.form('/login'), credentials(person))).html,
    isConsent,
    'the owner goes on',
  )
})

t.test('an interaction that is over or unknown says so in a page', async (t) => {
  const browser = new Browser(server)
  const signIn = await request(browser)
  const consent = await browser.submit(signIn, signIn.form('/login'), credentials(person))
  await browser.submit(consent, consent.form('/consent'))
  const again = await browser.submit(consent, consent.form('/consent'))
  t.equal(again.status, 400, 'allowed twice')
  t.match(again.html, /start again/)

  const late = await request(browser, client, { prompt: 'login' })
  await server.db.execute(sql`delete from provider_models where model = 'Interaction'`)
  for (const path of [
    late.url,
    `${late.url}/create-account`,
    '/interaction/unknown',
    `/interaction/${'x'.repeat(100)}`,
  ]) {
    const page = await browser.goto(path)
    t.equal(page.status, 400, path)
    t.match(page.headers.get('content-type'), 'text/html')
  }
})

t.test('no page of another site signs a browser in or allows anything (ASVS V7.6.2)', async (t) => {
  const browser = new Browser(server)
  const signIn = await request(browser)
  const send = (action: string, body: Record<string, string>, headers: Record<string, string>) =>
    browser.request(action, { method: 'POST', body: new URLSearchParams(body), headers })
  const foreign: Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: server.url.replace('localhost', 'other.localhost') },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'null', 'sec-fetch-site': 'cross-site' },
    { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
  ]
  for (const headers of foreign) {
    const response = await send(signIn.form('/login').action, credentials(person), headers)
    t.equal(response.status, 403, JSON.stringify(headers))
    t.same(response.headers.getSetCookie(), [], 'and leaves no session')
  }
  const consent = await browser.submit(signIn, signIn.form('/login'), credentials(person))
  for (const headers of foreign) {
    t.equal((await send(consent.form('/consent').action, {}, headers)).status, 403, 'nor consents')
  }
  const json = { origin: server.url, 'content-type': 'application/json' }
  const sent = await browser.request(consent.form('/consent').action, { method: 'POST', body: '{}', headers: json })
  t.equal(sent.status, 415, 'a form is sent as a form')
})

t.test('consent is asked of a client once, of one that proves nothing each time (ASVS V10.7.1)', async (t) => {
  const browser = new Browser(server)
  await authorize(server, client, person, { browser, parameters: { prompt: '' } })
  t.match((await request(browser)).url, `${REDIRECT_URI}?code=`, 'a confidential client is not asked for again')
  t.match((await request(browser, client, { scope: 'openid email' })).url, `${REDIRECT_URI}?code=`, 'nor for less')
  t.match((await request(browser, client, { prompt: 'consent' })).html, isConsent, 'but when it wants to be')

  const wider = await makeClient(server, { scope: ['openid', 'profile:read', 'keys:read'] })
  await authorize(server, wider, person, { browser, parameters: { scope: 'openid', prompt: '' } })
  const more = await request(browser, wider, { scope: 'openid keys:read' })
  t.match(more.html, isConsent, 'and for more than was allowed')

  const metadata = { redirect_uris: [REDIRECT_URI], client_name: 'Self Made' }
  const dynamic = (await (await register(server, metadata)).json()) as { client_id: string; client_secret: string }
  const notAssured = [
    await makeClient(server, { type: 'spa' }),
    await makeClient(server, { type: 'native', redirectUris: ['http://127.0.0.1/callback'] }),
    { ...client, id: dynamic.client_id, secret: dynamic.client_secret },
  ]
  for (const each of notAssured) {
    const parameters = { client_id: each.id }
    const first = await request(browser, each, parameters)
    t.match(first.html, isConsent)
    t.match((await passPages(browser, first, person)).url, /[?&]code=/)
    t.match((await request(browser, each, parameters)).html, isConsent, 'the second time as the first')
    const silent = await request(browser, each, { ...parameters, prompt: 'none' })
    t.match(silent.url, /error=consent_required/)
  }
})

t.test('the page says who asks, for what and for how long (ASVS V10.7.2, OAuth 2.1 7.9)', async (t) => {
  const metadata = { redirect_uris: [REDIRECT_URI], client_name: '<b>Evil</b> Bank' }
  const dynamic = (await (await register(server, metadata)).json()) as { client_id: string }
  const browser = new Browser(server)
  const signIn = await request(browser, client, { client_id: dynamic.client_id, scope: 'openid profile:read' })
  const { html } = await browser.submit(signIn, signIn.form('/login'), credentials(person))
  t.match(html, '&lt;b&gt;Evil&lt;/b&gt; Bank')
  for (const said of ['app.example', 'profile:read', person.email, 'until', 'Nobody has checked this app'])
    t.match(html, said)
})

t.test('an answer by form goes to the client alone (OAuth 2.0 Form Post Response Mode 2)', async (t) => {
  const { browser } = await authorize(server, client, person, { parameters: { prompt: '' } })
  const page = await request(browser, client, { response_mode: 'form_post', state: '"><script>' })
  const { action, fields } = page.form()
  t.equal(action, REDIRECT_URI)
  t.match(fields, { code: /./, state: '"><script>', iss: server.url })
  const policy = page.headers.get('content-security-policy') ?? ''
  t.match(policy, `form-action 'self' ${new URL(REDIRECT_URI).origin}`)
  t.match(policy, /script-src 'self' 'sha256-[\w+/=]+'/, 'its one script is named by its digest')
})

t.test('a client of our own is not asked for', async (t) => {
  for (const type of ['web', 'spa'] as const) {
    const ours = await makeClient(server, { type, firstParty: true })
    const browser = new Browser(server)
    const signIn = await request(browser, ours)
    const done = await browser.submit(signIn, signIn.form('/login'), credentials(person))
    t.match(done.url, `${REDIRECT_URI}?code=`, type)
  }
})

t.test('nobody gives a client more than he has (contract: admin scopes are for administrators)', async (t) => {
  const scope = ['openid', 'profile:read', 'admin:read']
  const parameters = { scope: scope.join(' '), prompt: '' }
  for (const firstParty of [false, true]) {
    const asking = await makeClient(server, { scope, firstParty })
    const { redeem } = await authorize(server, asking, person, { parameters })
    const tokens = await redeem()
    t.equal(tokens.scope, 'openid profile:read')
    t.equal(await meStatus(server, tokens.access_token), 200)
    const admin = await server.fetch('/api/admin/users', { headers: bearer(tokens.access_token) })
    t.equal(admin.status, 403)
  }
  const administrator = await makePerson(server, 'admin')
  const asking = await makeClient(server, { scope })
  const tokens = await (await authorize(server, asking, administrator, { parameters })).redeem()
  t.equal(tokens.scope, 'openid profile:read admin:read', 'who has it may')
})

t.test('another person may take over the browser, and is signed in then', async (t) => {
  const { browser } = await authorize(server, client, person)
  const second = await makePerson(server)
  const signIn = await request(browser, client, { prompt: 'login' })
  const change = await browser.submit(signIn, signIn.form('/login'), credentials(second))
  t.match(
    change.headers.get('content-security-policy'),
    new URL(REDIRECT_URI).origin,
    'the form may lead to the client',
  )
  const consent = await browser.submit(change, change.form('/confirm'))
  t.match(consent.html, isConsent, 'without a second sign-in')
  t.match(consent.html, second.email)
  t.match((await browser.submit(consent, consent.form('/consent'))).url, `${REDIRECT_URI}?code=`)

  const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' }
  const refreshed = await browser.request('/api/auth/refresh', { method: 'POST', headers })
  t.equal(refreshed.status, 200, 'also at our own pages')
  t.notMatch((await request(browser)).html, isSignIn)
})
