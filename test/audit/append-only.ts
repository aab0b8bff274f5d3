import { sql } from 'drizzle-orm'
import t from 'tap'
import { linkEvents } from '../../src/audit/notary.ts'
import { pruneLog } from '../../src/audit/prune.ts'
import { auditEvents } from '../../src/database/schema.ts'
import { DAY_2, makeFilledLog, makeLog } from '../fixtures/log.ts'

const refused = { cause: { code: '42501', message: /is append only: no (UPDATE|DELETE|TRUNCATE)/ } }

t.test('the database refuses to change, delete or empty the audit', async (t) => {
  const { db, write } = await makeFilledLog(t)
  await db.insert(auditEvents).values({ type: 'test.event', outcome: 'success' })
  for (const statement of [
    sql`update audit_events set type = 'x' where seq = 1`,
    sql`update audit_events set hash = 'x' where seq = 1`,
    sql`update audit_events set seq = null, day = null where seq = 1`,
    sql`update audit_events set type = 'x' where seq is null`,
    sql`update audit_events set type = 'x', day = '2030-01-02', seq = 11, hash = 'x' where seq is null`,
    sql`delete from audit_events where seq = 1`,
    sql`delete from audit_events where seq is null`,
    sql`truncate audit_events`,
    sql`update audit_checkpoints set jws = 'x' where first = 1`,
    sql`delete from audit_checkpoints where first = 1`,
    sql`truncate audit_checkpoints`,
  ]) {
    await t.rejects(db.execute(statement), refused)
  }
  await write(1, DAY_2)
})

t.test('the days before one can be pruned, and verification tells that from tampering', async (t) => {
  const { db, keys, verify } = await makeFilledLog(t)
  t.equal(await pruneLog(db, '2030-01-01'), 0, 'there is nothing before')
  t.equal(await pruneLog(db, '2030-01-02'), 19)
  t.match(await verify(), { ok: false, problem: { kind: 'removed' } }, 'the event that tells of it is not linked yet')
  await linkEvents(db, keys, DAY_2)
  const { ok, events, begins_after } = await verify()
  t.strictSame({ ok, events }, { ok: true, events: 11 })
  t.match(begins_after, /^[\w-]{43}$/)
  await t.rejects(pruneLog(db, '2030-01-03'), /newest day/)
  await linkEvents(db, keys, DAY_2)
  t.match(await verify(), { ok: true, events: 11 }, 'the chain goes on from the newest day, so it stays')
})

t.test('an event that has not been linked is never pruned', async (t) => {
  const { db } = await makeLog(t)
  await db.insert(auditEvents).values({ type: 'test.event', outcome: 'success', at: new Date(0) })
  const before = await db.$count(auditEvents)
  t.equal(await pruneLog(db, '2999-01-01'), 0)
  t.equal(await db.$count(auditEvents), before)
})
