import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { setDisabled } from '../../src/accounts/change-account.ts'
import { deleteClient } from '../../src/clients/clients.ts'
import { firstPartySessions } from '../../src/database/schema.ts'
import { revokeGrants } from '../../src/grants/grants.ts'
import { endSession } from '../../src/sessions/sessions.ts'
import { Browser, type Page } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, REDIRECT_URI, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const client = await makeClient(server)
const ours = { origin: server.url, 'sec-fetch-site': 'same-origin' }

/** A person at the sign-in page of an authorization request. */
async function atSignIn(of = client) {
  const person = await makePerson(server)
  const browser = new Browser(server)
  const { url } = await authorizationRequest(of, { scope: 'openid profile:read' })
  const page = await browser.goto(url.href)
  const uid = new URL(page.url).pathname.split('/').at(-1)
  return { person, browser, page, uid, resume: `/oauth/authorize/${uid}` }
}

/** The same person one step on, at the consent page, where `allow` gives the address that the request goes on at. */
async function atConsent(of = client) {
  const start = await atSignIn(of)
  const { browser, page, person } = start
  const { email, password } = person
  const consent = await browser.submit(page, page.form('/login'), { email, password })
  const resume = `/oauth/authorize/${new URL(consent.url).pathname.split('/').at(-1)}`
  const { action } = consent.form('/consent')
  const allow = () => browser.request(action, { method: 'POST', body: new URLSearchParams(), headers: ours })
  return { ...start, consent, resume, allow }
}

/** What a browser was led to holds no code. */
function hasNoCode(t: Test, page: Pick<Page, 'url' | 'html'>, name: string): void {
  t.notMatch(page.url, /[?&#]code=/, name)
  t.notMatch(page.html, /name="code"/)
}

t.test('nobody gets a code before having signed in (RFC 6749 4.1.1)', async (t) => {
  const { browser, page, uid, resume } = await atSignIn()
  for (const step of ['consent', 'confirm']) {
    const body = new URLSearchParams()
    const response = await browser.request(`/interaction/${uid}/${step}`, { method: 'POST', body, headers: ours })
    t.ok([400, 404].includes(response.status), `${step}: ${response.status}`)
  }
  const wrong = await browser.submit(page, page.form('/login'), { email: 'a@example.com', password: 'a wrong guess' })
  t.equal(wrong.status, 401)
  const goesOn = await browser.goto(resume)
  hasNoCode(t, goesOn, 'the request goes on by itself')
  t.match(goesOn.html, /name="password"/, 'to the same question')
})

t.test('nobody gets a code before having consented (ASVS V10.7.1)', async (t) => {
  const { browser, resume, allow } = await atConsent()
  hasNoCode(t, await browser.goto(resume), 'the request goes on by itself')
  const { url } = await authorizationRequest(client, { scope: 'openid profile:read', prompt: 'none' })
  const silent = await browser.goto(url.href)
  t.match(silent.url, /error=consent_required/)
  hasNoCode(t, silent, 'without a page')
  t.equal((await allow()).status, 400, 'the question was put anew')

  const denying = await atConsent()
  const denied = await denying.browser.submit(denying.consent, denying.consent.form('/abort'))
  t.match(denied.url, /error=access_denied/)
  t.equal((await denying.allow()).status, 400, 'who denied cannot allow the same request')
})

t.test('who has signed out, or is disabled, allows nothing that was asked before (ASVS V7.4.1, V7.4.2)', async (t) => {
  type Asked = Awaited<ReturnType<typeof atConsent>>
  const endings = {
    'signed out': ({ browser }: Asked) => browser.request('/api/auth/logout', { method: 'POST', headers: ours }),
    'ended elsewhere': async ({ person }: Asked) => {
      const ofPerson = eq(firstPartySessions.accountId, person.id)
      const [session] = await server.db.select().from(firstPartySessions).where(ofPerson)
      await endSession(server.db, session?.id ?? '', new Date())
    },
    disabled: ({ person }: Asked) => setDisabled(server.db, person.id, true, new Date()),
  }
  for (const [name, end] of Object.entries(endings)) {
    const before = await atConsent()
    await end(before)
    t.equal((await before.allow()).status, 400, `${name} before consent`)
    hasNoCode(t, await before.browser.goto(before.resume), name)

    const after = await atConsent()
    const allowed = await after.allow()
    t.equal(allowed.status, 303)
    await end(after)
    hasNoCode(t, await after.browser.goto(allowed.headers.get('location') ?? ''), `${name} after consent`)
  }
})

t.test('a code is of no use when what it came of has ended (ASVS V7.4.2, Keycloak CVE-2026-9798)', async (t) => {
  const endings = {
    'a disabled account': (accountId: string) => setDisabled(server.db, accountId, true, new Date()),
    'a grant taken back': (accountId: string, of: string) => revokeGrants(server.db, accountId, of, new Date()),
    'a deleted client': (_: string, of: string) => deleteClient(server.db, of, new Date()),
  }
  for (const [name, end] of Object.entries(endings)) {
    const [of, person] = [await makeClient(server), await makePerson(server)]
    const { code, verifier } = await authorize(server, of, person)
    await end(person.id, of.id)
    const parameters = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT_URI }
    const response = await tokenRequest(server, of, parameters)
    t.ok(response.status === 400 || response.status === 401, `${name}: ${response.status}`)
    t.match(await response.json(), { error: /^invalid_(grant|client)$/ })
  }
})
