import { and, eq, sql } from 'drizzle-orm'
import { decodeJwt } from 'jose'
import t from 'tap'
import { setDisabled } from '../../src/accounts/change-account.ts'
import type { NewClient } from '../../src/clients/clients.ts'
import { auditEvents, firstPartySessions } from '../../src/database/schema.ts'
import { logoutNotices } from '../../src/logout-notices/schema.ts'
import { signOutEverywhere } from '../../src/sessions/sign-out-everywhere.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, passPages } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { whileFailing } from '../fixtures/fault.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { startLogoutReceiver } from '../fixtures/logout-receiver.ts'
import { bearer, makePerson, PASSWORD, signIn } from '../fixtures/people.ts'
import { register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const ours = { origin: server.url, 'sec-fetch-site': 'same-origin' }
const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** A person who is signed in to a client that is told of sign-outs. */
async function signedIn(input: Partial<NewClient> = {}) {
  const receiver = await startLogoutReceiver(t, { issuer: server.url })
  const client = await makeClient(server, { backchannelLogoutUri: receiver.uri, ...input })
  const person = await makePerson(server)
  const { browser, redeem } = await authorize(server, client, person, { parameters: { scope: 'openid' } })
  const { id_token = '' } = await redeem()
  return { receiver, client, person, browser, claims: decodeJwt(id_token) }
}

async function signOut(browser: Browser, answer = 'yes') {
  const page = await browser.goto('/oauth/logout')
  return browser.submit(page, page.form('/confirm'), { logout: answer })
}

t.test(
  'a client is told which session of whom is over, by a signed token (Back-Channel Logout 2.4, ASVS V10.5.5)',
  async (t) => {
    const { receiver, client, person, browser, claims } = await signedIn({ backchannelLogoutSessionRequired: true })
    t.type(claims.sid, 'string', 'the ID token names the session (2.1)')
    await signOut(browser)
    await receiver.received(1)
    const [token] = receiver.tokens
    t.match(token, { iss: server.url, aud: client.id, sub: person.id, sid: claims.sid, events: { [EVENT]: {} } })
    t.match(token, { jti: String, iat: Number, exp: Number })
    t.notOk('nonce' in (token ?? {}), 'it is no ID token (2.4)')
    t.ok((token?.exp ?? 0) - (token?.iat ?? 0) <= 120, 'and good for two minutes at most')
    const told = await eventually(
      () => server.db.$count(logoutNotices, eq(logoutNotices.clientId, client.id)),
      (left) => left === 0,
    )
    t.equal(told, 0, 'nothing is left to tell')
  },
)

t.test('a client that has not asked for sessions is told whose all are over (Back-Channel Logout 2.2)', async (t) => {
  const { receiver, person, browser, claims } = await signedIn()
  t.notOk('sid' in claims)
  await signOut(browser)
  const [token] = await receiver.received(1)
  t.equal(token?.sub, person.id)
  t.notOk('sid' in (token ?? {}))
})

t.test('a client that does not take it is told again, of the same sign-out (Back-Channel Logout 2.8)', async (t) => {
  const { receiver, browser } = await signedIn()
  receiver.answers.push(503, 302)
  await signOut(browser)
  const tokens = await receiver.received(3)
  t.equal(new Set(tokens.map(({ jti }) => jti)).size, 1, 'which it can tell by the jti')
  t.ok(tokens.every(({ iat, exp }) => (exp ?? 0) > (iat ?? 0)))
})

t.test('one that never takes it is given up, and the audit tells (Back-Channel Logout 2.8)', async (t) => {
  const { receiver, client, browser } = await signedIn()
  receiver.answers.push(...Array<number>(9).fill(500))
  await signOut(browser)
  await receiver.received(1)
  await server.db.update(logoutNotices).set({ giveUpAt: new Date() })
  const ofClient = and(eq(auditEvents.type, 'logout.notify'), eq(auditEvents.clientId, client.id))
  const events = await eventually(
    () => server.db.select().from(auditEvents).where(ofClient),
    ({ length }) => length > 0,
    5_000,
  )
  t.match(events, [{ outcome: 'failure', details: { reason: 'the client answered 500' } }])
  t.equal(await server.db.$count(logoutNotices, eq(logoutNotices.clientId, client.id)), 0)
})

t.test('a sign-out that fails tells nobody, and one that is done tells for certain', async (t) => {
  const { receiver, browser, client } = await signedIn()
  const page = await browser.goto('/oauth/logout')
  const confirm = () => browser.submit(page, page.form('/confirm'), { logout: 'yes' })
  const fault = { table: 'audit_events', when: "new.type = 'session.end'" } as const
  t.equal((await whileFailing(server.db, fault, confirm)).status, 500)
  t.equal(await server.db.$count(logoutNotices, eq(logoutNotices.clientId, client.id)), 0)
  t.match((await confirm()).html, /You are signed out/)
  await receiver.received(1)
  t.equal(receiver.tokens.length, 1)
})

t.test('however a person is signed out, clients are told (Back-Channel Logout 2.3, ASVS V7.4)', async (t) => {
  type Signed = Awaited<ReturnType<typeof signedIn>>
  const jwtOf = async (browser: Browser) => {
    const refreshed = await browser.request('/api/auth/refresh', { method: 'POST', headers: ours })
    return bearer(((await refreshed.json()) as { accessToken: string }).accessToken)
  }
  const elsewhere = async ({ person }: Signed) => bearer((await signIn(server, person)).accessToken)
  const ways: Record<string, (signed: Signed) => Promise<unknown>> = {
    'at the API, in the browser': ({ browser }) =>
      browser.request('/api/auth/logout', { method: 'POST', headers: ours }),
    'at the API, by a JWT alone': async ({ browser }) =>
      server.fetch('/api/auth/logout', { method: 'POST', headers: await jwtOf(browser) }),
    'by changing the password elsewhere': async (signed) => {
      const passwords = { currentPassword: PASSWORD, newPassword: 'another long engine song' }
      return server.post('/api/auth/password', passwords, await elsewhere(signed))
    },
    'from another session': async (signed) =>
      server.fetch('/api/sessions', { method: 'DELETE', headers: await elsewhere(signed) }),
    'by the operator': ({ person }) => signOutEverywhere(server.db, person.id, new Date(), {}),
    'because the account is disabled': ({ person }) => setDisabled(server.db, person.id, true, new Date()),
    'because another person signs in in its place': async ({ browser, client }) => {
      const { url } = await authorizationRequest(client, { scope: 'openid', prompt: 'login' })
      const end = await passPages(browser, await browser.goto(url.href), await makePerson(server))
      if (end.html.includes('xsrf')) await browser.submit(end, end.form('/confirm'))
    },
  }
  for (const [name, way] of Object.entries(ways)) {
    const signed = await signedIn()
    await way(signed)
    const [token] = await signed.receiver.received(1).catch(() => [])
    t.equal(token?.sub, signed.person.id, name)
  }
})

t.test('a sign-in of the same second is not taken for the one that ends', async (t) => {
  const { person, browser, client, receiver } = await signedIn()
  const { accessToken } = await signIn(server, person)
  await server.db.update(firstPartySessions).set({
    authenticatedAt: sql`(select authenticated_at
    from first_party_sessions as first where first.account_id = first_party_sessions.account_id
    order by authenticated_at limit 1)`,
  })
  await server.fetch('/api/auth/logout', { method: 'POST', headers: bearer(accessToken) })
  const { url } = await authorizationRequest(client, { scope: 'openid', prompt: 'none' })
  t.match((await browser.goto(url.href)).url, /code=/)
  t.equal(receiver.tokens.length, 0)
})

t.test('nobody is told of a session that goes on (Back-Channel Logout 2.3)', async (t) => {
  const { receiver, browser, client } = await signedIn()
  const page = await browser.goto('/oauth/logout')
  await browser.submit(page, page.form('/confirm'))
  const { url } = await authorizationRequest(client, { scope: 'openid', prompt: 'none' })
  t.match((await browser.goto(url.href)).url, /code=/, 'also when it was renewed')
  t.equal(await server.db.$count(logoutNotices, eq(logoutNotices.clientId, client.id)), 0)
  t.equal(receiver.tokens.length, 0)
})

t.test('who registers itself is told at a public address, by https (RFC 7591 5, ASVS V15.3)', async (t) => {
  const metadata = { redirect_uris: ['https://app.example/callback'], client_name: 'An App' }
  const { uri } = await startLogoutReceiver(t, { issuer: server.url })
  for (const backchannel_logout_uri of [
    uri,
    'https://127.0.0.1/logout',
    'https://localhost/logout',
    'https://[::1]/logout',
    'http://app.example/logout',
    'https://169.254.169.254/latest',
    'https://app.example/logout#part',
    'not a URI',
  ]) {
    const refused = await register(server, { ...metadata, backchannel_logout_uri })
    t.equal(refused.status, 400, backchannel_logout_uri)
    t.match(await refused.json(), { error: 'invalid_client_metadata' })
  }
  const good = { backchannel_logout_uri: 'https://app.example/logout', backchannel_logout_session_required: true }
  const registered = await register(server, { ...metadata, ...good })
  t.equal(registered.status, 201)
  t.match(await registered.json(), good)
})
