import { eq } from 'drizzle-orm'
import { decodeProtectedHeader } from 'jose'
import t from 'tap'
import { deleteExpired } from '../../src/database/expiry.ts'
import { auditEvents } from '../../src/database/schema.ts'
import { pingNotices } from '../../src/ping-notices/schema.ts'
import { ask, askOnWire, makeAsker, openLatest, pollOnce, startPingReceiver } from '../fixtures/backchannel.ts'
import { dumpDatabase } from '../fixtures/dump.ts'
import { eventually } from '../fixtures/eventually.ts'
import { whileFailing } from '../fixtures/fault.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const TOKEN = 'ping-8d67dc78-7faa-4d41-aabd-67707b374255'

/** A client that is told, which has asked a person. */
async function asked() {
  const receiver = await startPingReceiver(t)
  const client = await makeAsker(server, {
    backchannelTokenDeliveryMode: 'ping',
    backchannelClientNotificationEndpoint: receiver.uri,
  })
  const person = await makePerson(server)
  const { auth_req_id: id } = await ask(client, person, { client_notification_token: TOKEN })
  const { browser, page } = await openLatest(server, person)
  const answer = (how: 'allow' | 'deny') => browser.submit(page, page.form(`/${how}`))
  const left = () => server.db.$count(pingNotices, eq(pingNotices.clientId, client.id))
  return { receiver, client, person, id, answer, left }
}

t.test('a client is told that there is an answer, by its token, and of nothing else (CIBA 10.2)', async (t) => {
  for (const how of ['allow', 'deny'] as const) {
    const { receiver, client, id, answer, left } = await asked()
    t.match(await pollOnce(server, client, id), { error: 'authorization_pending' }, 'it may ask meanwhile')
    t.equal(receiver.pings.length, 0)
    await answer(how)
    const [ping] = await receiver.received(1)
    t.equal(ping?.headers.authorization, `Bearer ${TOKEN}`)
    t.match(ping?.headers['content-type'], 'application/json')
    t.strictSame(JSON.parse(ping?.body ?? ''), { auth_req_id: id })
    t.match(await pollOnce(server, client, id), how === 'allow' ? { status: 200 } : { error: 'access_denied' })
    t.equal(await eventually(left, (count) => count === 0), 0)
    t.equal(receiver.pings.length, 1)
  }
})

t.test('a client that does not take it is told again, and followed nowhere (CIBA 10.2)', async (t) => {
  const { receiver, client, id, answer } = await asked()
  receiver.answers.push(503, 302)
  await answer('allow')
  const pings = await receiver.received(3)
  t.equal(new Set(pings.map(({ body }) => body)).size, 1)
  t.match(await pollOnce(server, client, id), { status: 200 })
})

t.test('one that never takes it is given up when the request is over, and the audit tells', async (t) => {
  const { receiver, client, answer, left } = await asked()
  receiver.answers.push(...Array<number>(9).fill(500))
  await answer('allow')
  await receiver.received(1)
  await server.db.update(pingNotices).set({ giveUpAt: new Date() })
  t.equal(await eventually(left, (count) => count === 0, 5_000), 0)
  const events = await server.db.select().from(auditEvents).where(eq(auditEvents.clientId, client.id))
  const given = events.filter(({ type }) => type === 'backchannel_authentication.notify')
  t.match(given, [{ outcome: 'failure', details: { reason: 'the client answered 500' } }])
})

t.test('an answer that fails tells nobody, and one that is there tells for certain', async (t) => {
  const { receiver, answer } = await asked()
  const fault = { table: 'audit_events', when: "new.type = 'grant.give'" } as const
  t.equal((await whileFailing(server.db, fault, () => answer('allow'))).status, 500)
  t.match((await answer('allow')).html, /Allowed/)
  await receiver.received(1)
  t.equal(receiver.pings.length, 1)
})

t.test('what nobody answers is told of to nobody, and goes', async (t) => {
  const { receiver, left } = await asked()
  await deleteExpired(server.db, new Date(Date.now() + 601_000))
  t.equal(await left(), 0)
  t.equal(receiver.pings.length, 0)
})

t.test('a client of the mode ping brings a token, of the form of one (CIBA 7.1)', async (t) => {
  const { client, person } = await asked()
  for (const token of [undefined, 'a b', 'ä', 'a'.repeat(1025), 'a\r\nx: y'])
    t.match(
      await askOnWire(server, client, { login_hint: person.email, ...(token && { client_notification_token: token }) }),
      { status: 400, error: 'invalid_request' },
    )
})

t.test('the database holds neither token nor auth_req_id that can be used (ASVS V11.4, V14.2)', async (t) => {
  const { id } = await asked()
  const dump = await dumpDatabase(server.db)
  t.notMatch(dump, TOKEN)
  t.notMatch(dump, id)
  const rows = await server.db.select().from(pingNotices)
  t.match(
    rows.map(({ sealed }) => decodeProtectedHeader(sealed)),
    [{ alg: 'dir', enc: 'A256GCM' }],
  )
  t.notMatch(server.log.join(''), new RegExp(`${TOKEN}|${id}`))
})
