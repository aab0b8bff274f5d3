import t, { type Test } from 'tap'
import { eventsOf } from '../fixtures/audit.ts'
import { Browser } from '../fixtures/browser.ts'
import { passPages } from '../fixtures/clients.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { startOddProvider } from '../fixtures/odd-provider.ts'
import { bearer, makePerson, type Person } from '../fixtures/people.ts'
import { joinFromElsewhere, makeUpstream, openBoth, signInElsewhere, signInThere, whoIs } from '../fixtures/upstream.ts'

const server = await startGatehouse(t)
const second = await startGatehouse(t)
const upstream = await makeUpstream(server, second)
const START = '/upstreams/second'
const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' }

/** A browser in which a person is signed in by the password. */
async function signedIn({ email, password }: Person) {
  const browsers = openBoth(server, upstream)
  const body = JSON.stringify({ email, password })
  const response = await browsers.here.request('/api/auth/login/jwt', { method: 'POST', headers: SAME_ORIGIN, body })
  const { accessToken } = (await response.json()) as { accessToken: string }
  return { ...browsers, accessToken }
}

/** Begins to link, in a browser; returns where that is sent to. */
async function beginLink(t: Test, here: Browser, accessToken: string, id = 'second'): Promise<URL> {
  const headers = { ...SAME_ORIGIN, ...bearer(accessToken) }
  const body = JSON.stringify({ upstream: id })
  const response = await here.request('/api/identities', { method: 'POST', headers, body })
  t.equal(response.status, 200)
  return new URL(((await response.json()) as { location: string }).location)
}

const identities = async (at: Gatehouse, accessToken: string) =>
  (await at.fetch('/api/identities', { headers: bearer(accessToken) })).json()

const unlink = (accessToken: string) =>
  server.fetch('/api/identities/second', { method: 'DELETE', headers: bearer(accessToken) })

t.test('who is signed in links an identity, signs in by it, and unlinks it', async (t) => {
  const [person, elsewhere] = [await makePerson(server), await makePerson(second)]
  const { here, there, accessToken } = await signedIn(person)
  const unlinked = { id: 'second', name: 'Provider second', sub: null, linkedAt: null }
  t.strictSame(await identities(server, accessToken), { password: true, upstreams: [unlinked] })
  const away = await beginLink(t, here, accessToken)
  const [linked] = await eventsOf(server.db, async () => {
    const end = await here.goto((await signInThere({ here, there }, away, elsewhere)).href)
    t.equal(new URL(end.url).pathname, '/')
  })
  const details = { issuer: second.url, subject: elsewhere.id }
  t.match(linked, { type: 'identity.link', subjectId: person.id, credentialKind: 'first_party_session', details })
  const isShown = { upstreams: [{ id: 'second', sub: elsewhere.id, linkedAt: String }] }
  t.match(await identities(server, accessToken), isShown, 'so that one knows it as one’s own')

  const another = openBoth(server, upstream)
  await signInElsewhere(another, START, elsewhere)
  const entered = await whoIs(another.here)
  t.equal(entered.id, person.id)

  t.equal((await unlink(accessToken)).status, 200)
  t.equal(
    (await server.fetch('/api/me', { headers: bearer(entered.accessToken) })).status,
    401,
    'what came of it is over',
  )
  t.equal((await server.fetch('/api/me', { headers: bearer(accessToken) })).status, 200)
  t.match((await signInElsewhere(openBoth(server, upstream), START, elsewhere)).url, /create-account$/)
  t.equal((await unlink(accessToken)).status, 404)
})

t.test('an identity comes to the account of who began, in that browser and session alone (RFC 9700 4.7)', async (t) => {
  const [attacker, victim] = [await makePerson(server), await makePerson(server)]
  const [ofAttacker, ofVictim] = [await signedIn(attacker), await signedIn(victim)]
  const away = await beginLink(t, ofAttacker.here, ofAttacker.accessToken)
  const back = await signInThere(ofAttacker, away, await makePerson(second))
  const inVictims = await ofVictim.here.goto(back.href)
  t.equal(inVictims.status, 400)
  t.match(inVictims.html, /another browser/)
  t.match(await identities(server, ofVictim.accessToken), { upstreams: [{ linkedAt: null }] })

  const begun = await beginLink(t, ofVictim.here, ofVictim.accessToken)
  await ofVictim.here.request('/api/auth/logout', { method: 'POST', headers: SAME_ORIGIN, body: '{}' })
  const body = JSON.stringify({ email: attacker.email, password: attacker.password })
  await ofVictim.here.request('/api/auth/login/jwt', { method: 'POST', headers: SAME_ORIGIN, body })
  const afterwards = await ofVictim.here.goto((await signInThere(ofVictim, begun, await makePerson(second))).href)
  t.equal(afterwards.status, 400, 'another session of that browser is another person perhaps')
  t.match(await identities(server, (await whoIs(ofVictim.here)).accessToken), { upstreams: [{ linkedAt: null }] })
})

t.test('who happens to be signed in at the provider is not linked: that takes a new sign-in there', async (t) => {
  const [person, stranger] = [await makePerson(server), await makePerson(second)]
  const { here, there, accessToken } = await signedIn(person)
  await signInElsewhere({ here: new Browser(server), there }, START, stranger)
  const away = await beginLink(t, here, accessToken)
  t.match(Object.fromEntries(away.searchParams), { prompt: 'login', max_age: '0' })
  const asked = await there.goto(away.href)
  t.match(asked.html, /name="password"/, 'the session there is not enough')
  t.match(await identities(server, accessToken), { upstreams: [{ linkedAt: null }] })
  await here.goto((await passPages(there, asked, stranger)).url)
  t.match(await identities(server, accessToken), { upstreams: [{ linkedAt: String }] }, 'who signs in there is meant')
})

t.test('an identity is of one account, and an account has one identity of a provider', async (t) => {
  const [person, elsewhere] = [await makePerson(server), await makePerson(second)]
  await joinFromElsewhere(openBoth(server, upstream), START, elsewhere)
  const { here, there, accessToken } = await signedIn(person)
  const taken = await here.goto(
    (await signInThere({ here, there }, await beginLink(t, here, accessToken), elsewhere)).href,
  )
  t.equal(taken.status, 409)
  t.match(taken.html, /belongs to another account/)
  const own = { here, there: new Browser(second) }
  await here.goto((await signInThere(own, await beginLink(t, here, accessToken), await makePerson(second))).href)
  const other = { here, there: new Browser(second) }
  const back = await signInThere(other, await beginLink(t, here, accessToken), await makePerson(second))
  t.equal((await here.goto(back.href)).status, 409)
})

t.test('the last way to sign in stays', async (t) => {
  const browsers = openBoth(server, upstream)
  await joinFromElsewhere(browsers, START, await makePerson(second))
  const { accessToken } = await whoIs(browsers.here)
  t.match(await identities(server, accessToken), { password: false, upstreams: [{ linkedAt: String }] })
  const refused = await unlink(accessToken)
  t.equal(refused.status, 409)
  t.match(await refused.json(), { code: 'last_way_in' })
  t.equal(
    new URL((await signInElsewhere(openBoth(server, upstream), START, await makePerson(second))).url).pathname,
    `${START}/create-account`,
  )
})

t.test('linking and unlinking ask for a recent sign-in (RFC 9470, ASVS V7.5.1)', async (t) => {
  const { here, accessToken } = await signedIn(await makePerson(server))
  await server.db.execute(`update first_party_sessions set authenticated_at = authenticated_at - interval '16 minutes'`)
  const { accessToken: later } = await whoIs(here)
  for (const [method, path, body] of [
    ['POST', '/api/identities', '{"upstream":"second"}'],
    ['DELETE', '/api/identities/second', undefined],
  ] as const) {
    const headers = { ...(body && { 'content-type': 'application/json' }), ...bearer(later) }
    const response = await server.fetch(path, { method, headers, ...(body && { body }) })
    t.equal(response.status, 401, method)
    t.match(await response.json(), { code: 'insufficient_user_authentication' })
  }
  t.ok(accessToken)
})

t.test('a provider that tells of no new sign-in links nobody (OpenID Connect Core 3.1.2.1)', async (t) => {
  const provider = await startOddProvider(t, server, 'odd')
  const { here, accessToken } = await signedIn(await makePerson(server))
  const now = Math.floor(Date.now() / 1000)
  for (const [auth_time, status] of [
    [now - 60, 400],
    [undefined, 400],
    [now, 200],
  ] as const) {
    const away = await beginLink(t, here, accessToken, 'odd')
    provider.claims = { nonce: away.searchParams.get('nonce'), auth_time }
    const query = new URLSearchParams({ code: 'c', state: away.searchParams.get('state') ?? '' })
    t.equal((await here.goto(`/upstreams/odd/callback?${query}`)).status, status, `${auth_time}`)
    const linkedAt = status === 200 ? String : null
    t.match(await identities(server, accessToken), { upstreams: [{ linkedAt: null }, { id: 'odd', linkedAt }] })
  }
})
