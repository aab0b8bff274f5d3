import { eq } from 'drizzle-orm'
import t from 'tap'
import { createRefusals } from '../../src/audit/refusals.ts'
import { auditEvents } from '../../src/database/schema.ts'
import { makeLog } from '../fixtures/log.ts'

const fail = (error: unknown) => {
  throw error
}

t.test('a network that is refused over and over is written down 30 times, then counted', async (t) => {
  const { db } = await makeLog(t)
  const refusals = createRefusals(db, fail)
  for (let i = 0; i < 100; i += 1) await refusals.note({ type: 'session.start', from: '192.0.2.1' })
  await refusals.note({ type: 'session.start', from: '192.0.2.2' })
  const written = await db.select().from(auditEvents).where(eq(auditEvents.type, 'session.start'))
  t.equal(written.filter(({ from }) => from === '192.0.2.1').length, 30)
  t.equal(written.filter(({ from }) => from === '192.0.2.2').length, 1, 'another network is not masked by it')
  await refusals.close()
  const leftOut = await db.select().from(auditEvents).where(eq(auditEvents.type, 'refusals.leave_out'))
  t.match(leftOut, [{ outcome: 'failure', from: '192.0.2.1', details: { count: 70 } }])
})

t.test('ever new networks are written down 600 times, then counted together', async (t) => {
  const { db } = await makeLog(t)
  const refusals = createRefusals(db, fail)
  const networks = Array.from({ length: 1000 }, (_, i) => `2001:db8::${i.toString(16)}`)
  await Promise.all(networks.map((from) => refusals.note({ type: 'session.start', from })))
  t.equal(await db.$count(auditEvents, eq(auditEvents.type, 'session.start')), 600)
  await refusals.close()
  const leftOut = await db.select().from(auditEvents).where(eq(auditEvents.type, 'refusals.leave_out'))
  t.match(leftOut, [{ from: null, details: { count: 400 } }])
})

t.test('a refusal stands when it cannot be written down', async (t) => {
  const { db } = await makeLog(t)
  const errors: unknown[] = []
  const refusals = createRefusals(db, (error) => errors.push(error))
  await refusals.note({ type: 'a\0b' })
  t.equal(errors.length, 1)
  await refusals.close()
})
