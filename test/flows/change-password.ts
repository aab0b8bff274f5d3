import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { accounts } from '../../src/database/schema.ts'
import { hashPassword } from '../../src/secrets/password.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, tokenRequest } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { prolongPauses } from '../fixtures/guessing.ts'
import { bearer, makeKey, makePerson, PASSWORD, signIn } from '../fixtures/people.ts'
import { meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const ANOTHER = 'another long engine song'

const change = (jwt: string, body: object, headers: Record<string, string> = {}) =>
  server.post('/api/auth/password', body, { ...bearer(jwt), ...headers })

t.test('who knows the password changes it (ASVS V6.2.2)', async (t) => {
  const owner = await makePerson(server)
  const { accessToken } = await signIn(server, owner)
  const response = await change(accessToken, { currentPassword: PASSWORD, newPassword: ANOTHER })
  t.equal(response.status, 200)
  t.match(await response.json(), { message: String })
  t.equal((await server.post('/api/auth/login/jwt', { email: owner.email, password: PASSWORD })).status, 401)
  await signIn(server, { ...owner, password: ANOTHER })
})

t.test('who does not know it changes nothing (ASVS V6.2.3)', async (t) => {
  const owner = await makePerson(server)
  const { accessToken } = await signIn(server, owner)
  const wrong = await change(accessToken, { currentPassword: 'not the password', newPassword: ANOTHER })
  t.equal(wrong.status, 400)
  t.match(await wrong.json(), { code: 'wrong_password' })
  for (const body of [{ newPassword: ANOTHER }, { currentPassword: '', newPassword: ANOTHER }, {}]) {
    t.equal((await change(accessToken, body)).status, 400)
  }
  t.equal((await server.post('/api/auth/password', { currentPassword: PASSWORD, newPassword: ANOTHER })).status, 401)
  await signIn(server, owner)
})

t.test('other credentials of the account do not change it (ASVS V7.5.1)', async (t) => {
  const owner = await makePerson(server)
  const { apiKey } = await makeKey(server, owner)
  const { access_token } = await (await authorize(server, await makeClient(server), owner)).redeem()
  for (const credential of [apiKey, access_token]) {
    t.equal((await change(credential, { currentPassword: PASSWORD, newPassword: ANOTHER })).status, 403)
  }
})

t.test('the new one is judged as at registration (ASVS V6.2.1, V6.2.4, V6.2.11)', async (t) => {
  const owner = await makePerson(server)
  const { accessToken } = await signIn(server, owner)
  const bad = ['seven c', 'password1234', owner.email, 'gatehouse2026', 'ada example', 'x'.repeat(257)]
  for (const newPassword of bad) {
    const response = await change(accessToken, { currentPassword: PASSWORD, newPassword })
    t.equal(response.status, 400, newPassword)
    t.match(await response.json(), { code: 'invalid_request' })
  }
  await signIn(server, owner)
})

t.test('failures count as those of a sign-in do (ASVS V6.3.1)', async (t) => {
  const owner = await makePerson(server)
  const { accessToken } = await signIn(server, owner)
  const guess = () => change(accessToken, { currentPassword: 'not the password', newPassword: ANOTHER })
  for (let i = 0; i < 5; i += 1) t.equal((await guess()).status, 400)
  await prolongPauses(server)
  const refused = await guess()
  t.equal(refused.status, 429)
  t.match(refused.headers.get('retry-after'), /^[1-9]\d*$/)
  t.equal((await server.post('/api/auth/login/jwt', owner)).status, 400, 'unknown members are refused')
  t.equal((await server.post('/api/auth/login/jwt', { email: owner.email, password: PASSWORD })).status, 429)
})

t.test('all other sign-ins end, this one goes on (ASVS V7.4.3)', async (t) => {
  const owner = await makePerson(server)
  const client = await makeClient(server)
  const session = { scope: 'openid profile:read' }
  const here = new Browser(server)
  const elsewhere = new Browser(server)
  const ours = { origin: server.url, 'sec-fetch-site': 'same-origin' }
  const [tokensHere, tokensElsewhere] = await Promise.all(
    [here, elsewhere].map(async (browser) =>
      (await authorize(server, client, owner, { parameters: session, browser })).redeem(),
    ),
  )
  const lasting = await (await authorize(server, client, owner)).redeem()
  const { apiKey } = await makeKey(server, owner)
  const app = await signIn(server, owner)
  const refresh = (browser: Browser) => browser.request('/api/auth/refresh', { method: 'POST', headers: ours })
  const { accessToken } = (await (await refresh(here)).json()) as { accessToken: string }

  const events = await eventsOf(server.db, async () => {
    const body = JSON.stringify({ currentPassword: PASSWORD, newPassword: ANOTHER })
    const headers = { ...ours, ...bearer(accessToken), 'content-type': 'application/json' }
    t.equal((await here.request('/api/auth/password', { method: 'POST', headers, body })).status, 200)
  })
  t.match(events[0], { type: 'account.change_password', outcome: 'success', subjectId: owner.id })
  t.ok(events.some(({ type }) => type === 'session.end'))
  t.notMatch(JSON.stringify(events), new RegExp(`${PASSWORD}|${ANOTHER}`))

  t.equal(await meStatus(server, app.accessToken), 401, 'a JWT of another sign-in')
  t.equal((await server.post('/api/auth/refresh', { refreshToken: app.refreshToken })).status, 401)
  t.equal((await refresh(elsewhere)).status, 401, 'another browser')
  t.equal(await meStatus(server, tokensElsewhere?.access_token ?? ''), 401, 'and what it gave to clients')
  const again = { grant_type: 'refresh_token', refresh_token: tokensElsewhere?.refresh_token ?? '' }
  t.equal((await tokenRequest(server, client, again)).status, 400)
  const silent = await authorizationRequest(client, { prompt: 'none', scope: 'openid' })
  t.match((await elsewhere.goto(silent.url.href)).url, 'error=login_required', 'nor the engine’s session there')

  t.equal(await meStatus(server, accessToken), 200, 'this sign-in')
  t.equal((await refresh(here)).status, 200)
  t.equal(await meStatus(server, tokensHere?.access_token ?? ''), 200, 'what it gave to clients')
  t.notMatch((await here.goto(silent.url.href)).url, 'error=login_required')
  t.equal(await meStatus(server, lasting.access_token), 200, 'what was allowed for good')
  const { refresh_token = '' } = lasting
  t.equal((await tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token })).status, 200)
  t.equal(await meStatus(server, apiKey), 200, 'and API keys have lists of their own')
})

t.test('another site’s page changes nothing', async (t) => {
  const owner = await makePerson(server)
  const { accessToken } = await signIn(server, owner)
  const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  t.equal((await change(accessToken, { currentPassword: PASSWORD, newPassword: ANOTHER }, headers)).status, 403)
})

const skip = process.env.TEST_DATABASE_URL ? false : 'the embedded database runs one transaction at a time'

t.test('whoever gave the old one while it changed is not let in, nor changes it (ASVS V6.2.3)', { skip }, async (t) => {
  const owner = await makePerson(server)
  const { accessToken } = await signIn(server, owner)
  const waiting = sql`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  const passwordHash = await hashPassword(ANOTHER)
  const sent = await server.db.transaction(async (tx) => {
    await tx.update(accounts).set({ passwordHash }).where(eq(accounts.emailKey, owner.email))
    const requests = [
      server.post('/api/auth/login/jwt', { email: owner.email, password: PASSWORD }),
      change(accessToken, { currentPassword: PASSWORD, newPassword: 'a third long engine song' }),
    ]
    await eventually(
      async () => (await server.db.execute(waiting)).length,
      (count) => count === requests.length,
      4_000,
    )
    return requests
  })
  const [signedIn, changed] = await Promise.all(sent)
  t.equal(signedIn?.status, 401)
  t.equal(changed?.status, 400)
  t.equal(
    (await change(accessToken, { currentPassword: ANOTHER, newPassword: 'a third long engine song' })).status,
    200,
  )
})
