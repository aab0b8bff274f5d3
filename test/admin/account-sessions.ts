import { randomUUID } from 'node:crypto'
import t from 'tap'
import { eventsOf } from '../fixtures/audit.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makeMachineAdministrator } from '../fixtures/machine-administrator.ts'
import { makeKey, makePerson, signIn } from '../fixtures/people.ts'
import { meStatus } from '../fixtures/wire.ts'

interface Session {
  readonly id: string
  readonly authenticatedAt: string
}

const server = await startGatehouse(t)
const admin = await makeMachineAdministrator(server)
const client = await makeClient(server)
const sessionsOf = (id: string, limit = 50) => admin.walk<Session>(`/accounts/${id}/sessions`, 'sessions', limit)

/** Whether the single sign-on of a browser gives a code without a page. */
async function isSignedOn(browser: Browser): Promise<boolean> {
  const { url } = await authorizationRequest(client, { scope: 'openid', prompt: 'none' })
  return new URL((await browser.goto(url.href)).url).searchParams.has('code')
}

t.test('the sessions of an account are listed in pages, the newest first; nobody else’s are', async (t) => {
  const [person, another] = [await makePerson(server), await makePerson(server)]
  for (let i = 0; i < 5; i += 1) await signIn(server, person)
  await signIn(server, another)
  const all = await sessionsOf(person.id)
  t.equal(all.length, 5)
  const moments = all.map(({ authenticatedAt }) => authenticatedAt)
  t.strictSame(moments, moments.toSorted().reverse())
  for (const limit of [1, 2, 5]) t.strictSame(await sessionsOf(person.id, limit), all)
  t.strictSame(Object.keys(all[0] ?? {}), ['id', 'authenticatedAt', 'lastUsedAt', 'expiresAt'])
})

t.test('an administrator ends one: its tokens are refused on the next request, the others stay', async (t) => {
  const person = await makePerson(server)
  const first = await signIn(server, person)
  const second = await signIn(server, person)
  const [{ id } = { id: '' }] = await sessionsOf(person.id)
  const events = await eventsOf(server.db, async () => {
    t.strictSame((await admin.ask('DELETE', `/accounts/${person.id}/sessions/${id}`)).status, 204)
  })
  t.match(events[0], {
    type: 'session.end',
    actorKind: 'client',
    actorId: admin.id,
    subjectId: person.id,
    details: { session: id },
  })
  t.strictSame([await meStatus(server, second.accessToken), await meStatus(server, first.accessToken)], [401, 200])
  t.equal((await server.post('/api/auth/refresh', { refreshToken: second.refreshToken })).status, 401)
  t.equal((await admin.ask('DELETE', `/accounts/${person.id}/sessions/${id}`)).status, 404, 'once')
})

t.test('with a session goes the single sign-on of that sign-in, and all of them with all', async (t) => {
  const person = await makePerson(server)
  const browsers = [new Browser(server), new Browser(server)]
  for (const browser of browsers) await authorize(server, client, person, { browser })
  const { apiKey } = await makeKey(server, person)
  for (const browser of browsers) t.ok(await isSignedOn(browser))
  const sessions = await sessionsOf(person.id)
  t.equal(sessions.length, 3)
  const ended = await admin.ask('DELETE', `/accounts/${person.id}/sessions`)
  t.match(ended, { status: 200, body: { ended: 3 } })
  for (const browser of browsers) t.notOk(await isSignedOn(browser))
  t.strictSame(await sessionsOf(person.id), [])
  t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': apiKey } })).status, 200, 'an API key stays')
})

t.test('what is not there, or is another’s, is refused', async (t) => {
  const [person, another] = [await makePerson(server), await makePerson(server)]
  const session = await signIn(server, person)
  const [{ id } = { id: '' }] = await sessionsOf(person.id)
  const nobody = randomUUID()
  for (const path of [`${another.id}/sessions/${id}`, `${person.id}/sessions/${nobody}`, `${nobody}/sessions`])
    t.match(await admin.ask('DELETE', `/accounts/${path}`), { status: 404, body: { code: 'not_found' } }, path)
  t.equal((await admin.ask('GET', `/accounts/${nobody}/sessions`)).status, 404)
  t.equal((await admin.ask('DELETE', `/accounts/${person.id}/sessions/all`)).status, 400)
  t.equal((await admin.ask('GET', `/accounts/${person.id}/sessions?cursor=x`)).status, 400)
  t.equal(await meStatus(server, session.accessToken), 200)
})
