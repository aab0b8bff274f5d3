import { eq } from 'drizzle-orm'
import { decodeJwt } from 'jose'
import t from 'tap'
import { firstPartySessions } from '../../src/database/schema.ts'
import { authorizationRequest, authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

interface Listed {
  readonly id: string
  readonly current: boolean
  readonly signedInAt: string
  readonly lastUsedAt: string
  readonly expiresAt: string
}

const DAY_MS = 24 * 60 * 60 * 1000
const server = await startGatehouse(t)
const client = await makeClient(server)

const idOf = (jwt: string) => String(decodeJwt(jwt).sid)
const end = (jwt: string, id = '') =>
  server.fetch(`/api/sessions${id && `/${id}`}`, { method: 'DELETE', headers: bearer(jwt) })

async function list(jwt: string): Promise<Listed[]> {
  const response = await server.fetch('/api/sessions', { headers: bearer(jwt) })
  return ((await response.json()) as { sessions: Listed[] }).sessions
}

t.test('a person sees where they are signed in, and since when (ASVS V7.5.2)', async (t) => {
  const person = await makePerson(server)
  await signIn(server, await makePerson(server))
  const [first, second] = [await signIn(server, person), await signIn(server, person)]
  const rotated = (await (
    await server.post('/api/auth/refresh', { refreshToken: first.refreshToken })
  ).json()) as typeof first
  const sessions = await list(second.accessToken)
  t.strictSame(
    sessions.map(({ id, current }) => [id, current]),
    [
      [idOf(second.accessToken), true],
      [idOf(first.accessToken), false],
    ],
  )
  for (const { signedInAt, lastUsedAt, expiresAt } of sessions) {
    t.equal(Date.parse(expiresAt) - Date.parse(signedInAt), 30 * DAY_MS)
    t.ok(Date.parse(lastUsedAt) >= Date.parse(signedInAt))
  }
  t.equal(sessions[0]?.lastUsedAt, sessions[0]?.signedInAt, 'not refreshed yet')
  t.not(sessions[1]?.lastUsedAt, sessions[1]?.signedInAt, 'refreshed')
  t.strictSame(Object.keys(sessions[0] ?? {}).sort(), ['current', 'expiresAt', 'id', 'lastUsedAt', 'signedInAt'])

  t.equal((await server.post('/api/auth/logout', {}, bearer(rotated.accessToken))).status, 200)
  t.equal((await list(second.accessToken)).length, 1, 'what was signed out of is not listed')
})

t.test('a person signs out elsewhere, of one session or of all others (ASVS V7.5.2)', async (t) => {
  const person = await makePerson(server)
  const sessions = [await signIn(server, person), await signIn(server, person), await signIn(server, person)]
  const [here = '', there = '', ...more] = sessions.map(({ accessToken }) => accessToken)
  const bystander = await signIn(server, await makePerson(server))

  t.equal((await end(here, idOf(there))).status, 200)
  t.equal(await meStatus(server, there), 401, 'its JWT is refused at once')
  t.equal((await server.post('/api/auth/refresh', { refreshToken: sessions[1]?.refreshToken })).status, 401)
  t.equal((await end(here, idOf(there))).status, 404, 'it is over')
  t.equal(await meStatus(server, more[0] ?? ''), 200)

  t.equal((await end(here)).status, 200)
  t.equal(await meStatus(server, more[0] ?? ''), 401)
  t.equal(await meStatus(server, here), 200, 'but for this one')
  t.match(await list(here), [{ id: idOf(here), current: true }])
  t.equal((await end(here)).status, 200, 'also when there is no other')
  t.equal((await end(here, idOf(here))).status, 200)
  t.equal(await meStatus(server, here), 401)
  t.equal(await meStatus(server, bystander.accessToken), 200)
})

t.test("another's session does not exist for who asks (ASVS V8.2.2)", async (t) => {
  const mine = await signIn(server, await makePerson(server, 'admin'))
  const theirs = await signIn(server, await makePerson(server))
  const response = await end(mine.accessToken, idOf(theirs.accessToken))
  t.equal(response.status, 404)
  t.equal((await end(mine.accessToken)).status, 200)
  t.equal(await meStatus(server, theirs.accessToken), 200)
  for (const id of ['1', '%00', `${idOf(theirs.accessToken)}0`])
    t.equal((await end(mine.accessToken, id)).status, 400, id)
})

t.test(
  'a session that ends takes its single sign-on along, and what applications got in it (ASVS V7.4.1)',
  async (t) => {
    const person = await makePerson(server)
    const scope = 'openid profile:read'
    const { browser, redeem } = await authorize(server, client, person, { parameters: { scope } })
    const online = await redeem()
    const offline = await (
      await authorize(server, client, person, { parameters: { scope: `${scope} offline_access` } })
    ).redeem()
    const { accessToken } = await signIn(server, person)
    t.equal((await end(accessToken)).status, 200)
    t.equal(await meStatus(server, online.access_token), 401)
    const refresh = (refresh_token = '') =>
      clientPost(server, '/oauth/token', client, { grant_type: 'refresh_token', refresh_token })
    t.equal((await refresh(online.refresh_token)).status, 400)
    t.equal(await meStatus(server, offline.access_token), 200, 'offline access stays')
    t.equal((await refresh(offline.refresh_token)).status, 200)
    const { url } = await authorizationRequest(client, { scope, prompt: 'none' })
    t.match((await browser.goto(url.href)).url, /error=login_required/, 'the browser is asked to sign in')
    t.equal(
      (await browser.request('/api/auth/refresh', { method: 'POST', headers: { origin: server.url } })).status,
      401,
    )
  },
)

t.test('ending sessions takes a sign-in of the last 15 minutes (ASVS V7.5.2, RFC 9470 3)', async (t) => {
  const person = await makePerson(server)
  const first = await signIn(server, person)
  const minutesAgo = (minutes: number) =>
    server.db
      .update(firstPartySessions)
      .set({ authenticatedAt: new Date(Date.now() - minutes * 60_000) })
      .where(eq(firstPartySessions.id, idOf(first.accessToken)))
  await minutesAgo(16)
  const stale = (await (
    await server.post('/api/auth/refresh', { refreshToken: first.refreshToken })
  ).json()) as typeof first
  const fresh = await signIn(server, person)
  for (const id of ['', idOf(fresh.accessToken), idOf(stale.accessToken)]) {
    const refused = await end(stale.accessToken, id)
    t.equal(refused.status, 401)
    t.match(await refused.json(), { code: 'insufficient_user_authentication' })
    t.match(
      refused.headers.get('www-authenticate'),
      /^Bearer error="insufficient_user_authentication", error_description="[^"]+", max_age="900", resource_metadata=/,
    )
  }
  t.equal((await list(stale.accessToken)).length, 2, 'which only looking does not')
  t.equal(await meStatus(server, fresh.accessToken), 200)
  t.equal((await end(fresh.accessToken)).status, 200)
  t.equal(await meStatus(server, stale.accessToken), 401)
})
