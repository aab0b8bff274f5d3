import { asc, sql } from 'drizzle-orm'
import t from 'tap'
import { record } from '../../src/audit/audit.ts'
import { createNotary, linkEvents } from '../../src/audit/notary.ts'
import { auditEvents } from '../../src/database/schema.ts'
import { joinDatabase } from '../fixtures/database.ts'
import { eventually } from '../fixtures/eventually.ts'
import { DAY_1, DAY_2, makeLog } from '../fixtures/log.ts'

const onePlace = !process.env.TEST_DATABASE_URL && 'the embedded database has one session'

t.test(
  'an event that is committed late, with a lower identity, is linked after those that came before it',
  { skip: onePlace },
  async (t) => {
    const log = await makeLog(t)
    await linkEvents(log.db, log.keys, DAY_1)
    const { db: other, drop } = await joinDatabase(log)
    t.teardown(drop)
    await other.transaction(async (tx) => {
      await record(tx, { type: 'test.late' })
      await log.write(3, DAY_1)
      t.match(await log.verify(), { ok: true, events: 7 })
    })
    t.equal(await linkEvents(log.db, log.keys, DAY_2), 1)
    t.match(await log.verify(), { ok: true, events: 8, head: { day: '2030-01-02', seq: 1 } })
    const [last] = await log.db.select().from(auditEvents).where(sql`type = 'test.late'`)
    const [before] = await log.db.select().from(auditEvents).where(sql`day = '2030-01-01' and seq = 7`)
    t.ok((last?.id ?? 0) < (before?.id ?? 0))
  },
)

t.test('an event whose transaction is undone leaves nothing to link', async (t) => {
  const log = await makeLog(t)
  await linkEvents(log.db, log.keys, DAY_1)
  const undo = log.db.transaction(async (tx) => {
    await record(tx, { type: 'test.undone' })
    throw new Error('undone')
  })
  await t.rejects(undo, /undone/)
  t.equal(await linkEvents(log.db, log.keys, DAY_1), 0)
  t.match(await log.verify(), { ok: true, events: 4 })
})

t.test('a clock that goes back does not take the chain back to a former day', async (t) => {
  const log = await makeLog(t)
  await log.write(1, DAY_2)
  await log.write(1, DAY_1)
  t.match(await log.verify(), { ok: true, events: 6, head: { day: '2030-01-02', seq: 6 } })
})

t.test('processes that write and link at once make one chain, in which every event is once', async (t) => {
  const log = await makeLog(t)
  const others = await Promise.all([1, 2].map(() => joinDatabase(log)))
  const places = [log.db, ...others.map(({ db }) => db)]
  t.teardown(() => Promise.all(others.map(({ drop }) => drop())))
  let writing = true
  const linking = places.map(async (db) => {
    while (writing) await linkEvents(db, log.keys, new Date())
  })
  const writes = places.map(async (db, process) => {
    for (let number = 0; number < 200; number += 1) {
      await db.transaction((tx) => record(tx, { type: 'test.event', details: { process, number } }))
    }
  })
  await Promise.all(writes)
  writing = false
  await Promise.all(linking)
  while ((await linkEvents(log.db, log.keys, new Date())) > 0);
  t.match(await log.verify(), { ok: true, events: 604 })
  t.equal(await log.db.$count(auditEvents), 604)
  const rows = await log.db.select().from(auditEvents).orderBy(asc(auditEvents.day), asc(auditEvents.seq))
  for (const process of [0, 1, 2]) {
    const numbers = rows.map(({ details }) => details).filter((details) => details?.process === process)
    t.strictSame(
      numbers.map((details) => details?.number),
      Array.from({ length: 200 }, (_, number) => number),
      'what one wrote one after another is linked in that order',
    )
  }
})

t.test('a notary links by itself, and for the last time when it closes', async (t) => {
  const log = await makeLog(t)
  const notary = createNotary(log.db, log.keys, 20, (error) => t.error(error))
  const linked = () => log.db.$count(auditEvents, sql`seq is not null`)
  t.equal(await eventually(linked, (count) => count === 4, 10_000), 4)
  await notary.close()

  const slow = createNotary(log.db, log.keys, 3_600_000, (error) => t.error(error))
  await record(log.db, { type: 'test.event' })
  await slow.close()
  t.equal(await linked(), 5)
  t.equal((await log.verify()).ok, true)
})
