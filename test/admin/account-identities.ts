import { randomUUID } from 'node:crypto'
import t from 'tap'
import { makeAdministrator } from '../fixtures/administrator.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { joinFromElsewhere, makeUpstream, openBoth, signInElsewhere, whoIs } from '../fixtures/upstream.ts'
import { meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const second = await startGatehouse(t)
const upstream = await makeUpstream(server, second)
const admin = await makeAdministrator(server)
const START = '/upstreams/second'

/** Somebody who signed in at the upstream, and who that is there and here. */
async function join() {
  const elsewhere = await makePerson(second)
  const browsers = openBoth(server, upstream)
  await joinFromElsewhere(browsers, START, elsewhere)
  const { id, accessToken } = await whoIs(browsers.here)
  return { elsewhere, id, accessToken, path: `/api/admin/accounts/${id}/identities` }
}

t.test('an administrator sees by whom one signs in to an account (OpenID Connect Core 5.7)', async (t) => {
  const { elsewhere, id, path } = await join()
  const events = await eventsOf(server.db, async () => {
    const { status, body } = await admin.send('GET', path)
    t.equal(status, 200)
    const linkedAt = body.identities[0]?.linkedAt
    const identity = { upstream: 'second', name: 'Provider second', issuer: second.url, sub: elsewhere.id, linkedAt }
    t.strictSame(body, { identities: [identity] })
    t.ok(Date.parse(linkedAt))
  })
  t.match(events, [{ type: 'identity.list', actorId: admin.person.id, subjectId: id }])
  const none = await admin.send('GET', `/api/admin/accounts/${admin.person.id}/identities`)
  t.strictSame(none.body, { identities: [] })
  t.equal((await admin.send('GET', `/api/admin/accounts/${randomUUID()}/identities`)).status, 404)
})

t.test('and removes it with the sessions that came of it, though it be the last way in (ASVS V7.4.5)', async (t) => {
  const [{ elsewhere, id, accessToken, path }, another] = [await join(), await join()]
  const events = await eventsOf(server.db, async () => {
    t.equal((await admin.send('DELETE', `${path}/second`)).status, 204)
  })
  const by = { actorKind: 'account', actorId: admin.person.id, subjectId: id }
  t.match(events, [
    { type: 'identity.unlink', details: { issuer: second.url, subject: elsewhere.id }, ...by },
    { type: 'session.end', ...by },
  ])
  t.equal(await meStatus(server, accessToken), 401)
  t.equal(await meStatus(server, another.accessToken), 200)
  t.strictSame((await admin.send('GET', path)).body, { identities: [] })
  t.match((await signInElsewhere(openBoth(server, upstream), START, elsewhere)).url, /create-account$/)
  t.match(await admin.send('DELETE', `${path}/second`), { status: 404, body: { code: 'not_found' } })
})

t.test('one at an upstream that was deleted is told without its name', async (t) => {
  const { elsewhere, path } = await join()
  t.equal((await admin.change('DELETE', '/api/admin/upstreams/second')).status, 204)
  const identity = { upstream: null, name: null, issuer: second.url, sub: elsewhere.id }
  t.match((await admin.send('GET', path)).body, { identities: [identity] })
})
