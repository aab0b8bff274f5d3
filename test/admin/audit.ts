import { randomUUID } from 'node:crypto'
import t from 'tap'
import { setDisabled } from '../../src/accounts/change-account.ts'
import { record } from '../../src/audit/audit.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makeMachineAdministrator } from '../fixtures/machine-administrator.ts'
import { makePerson, PASSWORD, signIn } from '../fixtures/people.ts'

interface Event {
  readonly id: number
  readonly at: string
  readonly type: string
  readonly clientId: string | null
  readonly subject?: { readonly id: string }
}

const server = await startGatehouse(t)
const admin = await makeMachineAdministrator(server)
const person = await makePerson(server)
const eventsBy = (query: string, limit = 200) => admin.walk<Event>(`/audit?${query}`, 'events', limit)

await signIn(server, person)
for (let i = 0; i < 12; i += 1) await setDisabled(server.db, person.id, i % 2 === 0, new Date())
const end = new Date(Date.now() + 1).toISOString()

t.test('events are told in pages, the newest first, each once', async (t) => {
  const until = `until=${end}`
  const all = await eventsBy(until)
  t.ok(all.length >= 14)
  const places = all.map(({ at, id }) => `${at} ${String(id).padStart(9, '0')}`)
  t.strictSame(places, places.toSorted().reverse())
  for (const limit of [1, 3, 14])
    t.strictSame(
      (await eventsBy(until, limit)).map(({ id }) => id),
      all.map(({ id }) => id),
    )
  t.notMatch(JSON.stringify(all), new RegExp(`${person.email}|${PASSWORD}`))
})

t.test('who looks for an e-mail does not write it down (ASVS V16.2.5)', async (t) => {
  const other = randomUUID()
  const events = await eventsOf(server.db, async () => {
    for (const subject of [person.email, other]) await eventsBy(`subject=${encodeURIComponent(subject)}`)
  })
  t.match(events, [{ type: 'audit.list' }, { type: 'audit.list', details: { subject: other } }])
  t.notMatch(JSON.stringify(events), person.email)
})

t.test('events of one instant are neither lost nor doubled', async (t) => {
  await server.db.transaction(async (tx) => {
    for (let i = 0; i < 7; i += 1) await record(tx, { type: 'test.twin', details: { i } })
  })
  t.equal(new Set((await eventsBy('type=test.twin', 2)).map(({ id }) => id)).size, 7)
})

t.test('by type, subject, client and time, alone and together', async (t) => {
  const disabled = await eventsBy(`type=account.disable&subject=${person.id}`, 4)
  t.equal(disabled.length, 6)
  t.ok(disabled.every(({ type, subject }) => type === 'account.disable' && subject?.id === person.id))
  const ofClient = await eventsBy(`client=${admin.id}&until=${end}`)
  t.ok(ofClient.length > 0 && ofClient.every(({ clientId }) => clientId === admin.id))
  const third = disabled[2]?.at ?? ''
  t.strictSame(
    await eventsBy(`type=account.disable&since=${third}`),
    disabled.filter(({ at }) => at >= third),
  )
  t.strictSame(
    await eventsBy(`type=account.disable&until=${third}`),
    disabled.filter(({ at }) => at < third),
  )
  t.strictSame(await eventsBy('type=none'), [])
})

t.test('who reads it is in it', async (t) => {
  await eventsBy(`subject=${person.id}`)
  const [read] = await eventsBy('type=audit.list')
  t.match(read, { type: 'audit.list', actor: { kind: 'client', id: admin.id }, details: { subject: person.id } })
})

t.test('a query that will not do is refused', async (t) => {
  const cursor = (text: string) => `cursor=${Buffer.from(text).toString('base64url')}`
  for (const query of [
    'since=x',
    'since=2026-13-01T00:00:00Z',
    'since=2026-01-01',
    'type=',
    'from=1',
    'limit=201',
    cursor('2026-01-01T00:00:00.000Z x'),
    cursor('2026-01-01T00:00:00.000Z 99999999999999999999'),
  ])
    t.match(await admin.ask('GET', `/audit?${query}`), { status: 400, body: { code: 'invalid_request' } }, query)
})
