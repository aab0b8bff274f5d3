import { asc, desc, sql } from 'drizzle-orm'
import { generateKeyPair } from 'jose'
import t from 'tap'
import { link, toChained } from '../../src/audit/chain.ts'
import { openCheckpoint, signCheckpoint } from '../../src/audit/checkpoint.ts'
import { linkEvents } from '../../src/audit/notary.ts'
import { auditCheckpoints } from '../../src/audit/schema.ts'
import type { Database } from '../../src/database/client.ts'
import { auditEvents } from '../../src/database/schema.ts'
import { tamper } from '../fixtures/audit.ts'
import { DAY_2, type Log, makeFilledLog } from '../fixtures/log.ts'

const FIRST = '2030-01-01'
const SECOND = '2030-01-02'

interface Case {
  readonly title: string
  readonly work: (tx: Database, log: Log) => Promise<unknown>
  readonly problem: { day: string; seq: number; kind: string }
}

/** Links every event from one on anew, as somebody who knows how it is done and has no key would. */
async function linkAnew(tx: Database, id: number) {
  const rows = await tx.select().from(auditEvents).orderBy(asc(auditEvents.day), asc(auditEvents.seq))
  let hash = ''
  for (const row of rows) {
    const before = hash
    hash = row.id < id ? (row.hash ?? '') : link(before, toChained(row, row.day ?? '', row.seq ?? 0))
    await tx.execute(sql`update audit_events set hash = ${hash} where id = ${row.id}`)
  }
}

const at = (day: string, seq: number) => sql`day = ${day}::date and seq = ${seq}::integer`

const altered = (title: string, change: ReturnType<typeof sql>): Case => ({
  title,
  work: (tx) => tx.execute(sql`update audit_events set ${change} where ${at(FIRST, 8)}`),
  problem: { day: FIRST, seq: 8, kind: 'altered' },
})

const cases: readonly Case[] = [
  altered('another type', sql`type = 'test.other'`),
  altered('another outcome', sql`outcome = 'failure'`),
  altered('another moment', sql`at = at + interval '1 millisecond'`),
  altered('no moment at all', sql`at = 'infinity'`),
  altered('another subject', sql`subject_kind = 'account', subject_id = 'x'`),
  altered('another actor', sql`actor_kind = 'operator'`),
  altered('another client', sql`client_id = 'x'`),
  altered('another credential', sql`credential_kind = 'x', credential_id = 'x'`),
  altered('another network', sql`from_address = '192.0.2.1'`),
  altered('other details', sql`details = '{"number": 77}'`),
  altered('no details', sql`details = null`),
  altered('another hash', sql`hash = 'x'`),
  {
    title: 'an event changed and all after it linked anew',
    async work(tx) {
      const [row] = await tx.execute<{ id: string }>(
        sql`update audit_events set type = 'test.other' where ${at(FIRST, 7)} returning id`,
      )
      await linkAnew(tx, Number(row?.id))
    },
    problem: { day: FIRST, seq: 5, kind: 'altered' },
  },
  {
    title: 'two events that changed places',
    async work(tx) {
      await tx.execute(sql`update audit_events set seq = 1000 where ${at(FIRST, 6)}`)
      await tx.execute(sql`update audit_events set seq = 6 where ${at(FIRST, 8)}`)
      await tx.execute(sql`update audit_events set seq = 8 where seq = 1000`)
    },
    problem: { day: FIRST, seq: 6, kind: 'altered' },
  },
  {
    title: 'an event moved to the next day',
    work: (tx) => tx.execute(sql`update audit_events set day = ${SECOND}::date, seq = 11 where ${at(FIRST, 19)}`),
    problem: { day: FIRST, seq: 19, kind: 'removed' },
  },
  {
    title: 'an event taken out in the middle',
    work: (tx) => tx.execute(sql`delete from audit_events where ${at(FIRST, 8)}`),
    problem: { day: FIRST, seq: 8, kind: 'removed' },
  },
  {
    title: 'an event taken out and those after it moved up and linked anew',
    async work(tx) {
      await tx.execute(sql`delete from audit_events where ${at(FIRST, 8)}`)
      for (let seq = 9; seq <= 19; seq += 1) {
        await tx.execute(sql`update audit_events set seq = seq - 1 where ${at(FIRST, seq)}`)
      }
      await linkAnew(tx, 0)
    },
    problem: { day: FIRST, seq: 5, kind: 'altered' },
  },
  {
    title: 'the first event taken out',
    work: (tx) => tx.execute(sql`delete from audit_events where ${at(FIRST, 1)}`),
    problem: { day: FIRST, seq: 1, kind: 'removed' },
  },
  {
    title: 'the last events cut off, while their checkpoint stays',
    work: (tx) => tx.execute(sql`delete from audit_events where day = ${SECOND}::date and seq > 8`),
    problem: { day: SECOND, seq: 9, kind: 'removed' },
  },
  {
    title: 'the first day taken out with its checkpoints',
    async work(tx) {
      await tx.execute(sql`delete from audit_events where day = ${FIRST}::date`)
      await tx.execute(sql`delete from audit_checkpoints where day = ${FIRST}::date`)
    },
    problem: { day: SECOND, seq: 1, kind: 'removed' },
  },
  {
    title: 'the end of a day taken out with its checkpoint',
    async work(tx) {
      await tx.execute(sql`delete from audit_events where day = ${FIRST}::date and seq > 14`)
      await tx.execute(sql`delete from audit_checkpoints where day = ${FIRST}::date and first > 14`)
    },
    problem: { day: FIRST, seq: 15, kind: 'removed' },
  },
  {
    title: 'a run in the middle of a day taken out with its checkpoint',
    async work(tx) {
      await tx.execute(sql`delete from audit_events where day = ${FIRST}::date and seq between 5 and 9`)
      await tx.execute(sql`delete from audit_checkpoints where day = ${FIRST}::date and first = 5`)
    },
    problem: { day: FIRST, seq: 5, kind: 'removed' },
  },
  {
    title: 'a checkpoint taken out',
    work: (tx) => tx.execute(sql`delete from audit_checkpoints where day = ${FIRST}::date and first = 10`),
    problem: { day: FIRST, seq: 10, kind: 'unsigned' },
  },
  {
    title: 'an event put behind the last one, well linked',
    async work(tx) {
      const [last] = await tx.select().from(auditEvents).orderBy(desc(auditEvents.day), desc(auditEvents.seq)).limit(1)
      const [row] = await tx
        .insert(auditEvents)
        .values({ type: 'test.forged', outcome: 'success', day: SECOND, seq: 11 })
        .returning()
      if (row === undefined || last === undefined) throw new Error('no row')
      await tx.execute(
        sql`update audit_events set hash = ${link(last.hash ?? '', toChained(row, SECOND, 11))} where id = ${row.id}`,
      )
    },
    problem: { day: SECOND, seq: 11, kind: 'unsigned' },
  },
  {
    title: 'a checkpoint signed by another key, over events linked anew',
    async work(tx, { keys }) {
      const [row] = await tx
        .select()
        .from(auditCheckpoints)
        .orderBy(desc(auditCheckpoints.day), desc(auditCheckpoints.first))
      const signed = await openCheckpoint(row?.jws ?? '', (kid, alg) => keys.verifier('audit', kid, alg))
      await tx.execute(sql`update audit_events set type = 'test.other' where ${at(SECOND, 10)}`)
      const [last] = await tx.select().from(auditEvents).orderBy(desc(auditEvents.day), desc(auditEvents.seq)).limit(1)
      await linkAnew(tx, last?.id ?? 0)
      const [anew] = await tx.select().from(auditEvents).orderBy(desc(auditEvents.day), desc(auditEvents.seq)).limit(1)
      const { kid, alg } = await keys.signer('audit')
      const { privateKey } = await generateKeyPair('ES256')
      const jws = await signCheckpoint({ ...signed, hash: anew?.hash ?? '' }, { kid, alg, key: privateKey })
      await tx.execute(sql`update audit_checkpoints set jws = ${jws} where before = ${signed.before}`)
    },
    problem: { day: SECOND, seq: 6, kind: 'forged checkpoint' },
  },
  {
    title: 'a checkpoint put in the place of another',
    work: (tx) =>
      tx.execute(sql`update audit_checkpoints set jws = other.jws from audit_checkpoints as other
        where audit_checkpoints.day = ${FIRST}::date and audit_checkpoints.first = 10
        and other.day = ${FIRST}::date and other.first = 5`),
    problem: { day: FIRST, seq: 5, kind: 'forged checkpoint' },
  },
  {
    title: 'what is no checkpoint at all',
    work: (tx) =>
      tx.execute(sql`update audit_checkpoints set jws = 'x' where ${sql`day = ${FIRST}::date and first = 10`}`),
    problem: { day: FIRST, seq: 10, kind: 'forged checkpoint' },
  },
]

t.test('a log that nobody touched verifies', async (t) => {
  const log = await makeFilledLog(t)
  t.match(await log.verify(), { ok: true, events: 29, checkpoints: 6, head: { day: SECOND, seq: 10 } })
  await log.write(3, DAY_2)
  t.match(await log.verify(), { ok: true, events: 32, head: { day: SECOND, seq: 13 } })
})

t.test('verification names the first event that is not as it was linked', async (t) => {
  const log = await makeFilledLog(t)
  const events = await log.db.select().from(auditEvents)
  const checkpoints = await log.db.select().from(auditCheckpoints)
  for (const { title, work, problem } of cases) {
    await tamper(log.db, (tx) => work(tx, log))
    const { ok, problem: found } = await log.verify()
    t.match({ ok, problem: found }, { ok: false, problem }, title)

    await tamper(log.db, async (tx) => {
      await tx.delete(auditEvents)
      await tx.delete(auditCheckpoints)
      await tx.insert(auditEvents).overridingSystemValue().values(events)
      await tx.insert(auditCheckpoints).values(checkpoints)
    })
    t.equal((await log.verify()).ok, true, 'and is content again once it is put back')
  }
})

t.test('a tail that is gone with its checkpoints is told by a head that was noted down', async (t) => {
  const log = await makeFilledLog(t)
  const { head } = await log.verify()
  t.equal((await log.verify({ known: head })).ok, true)
  await tamper(log.db, async (tx) => {
    await tx.execute(sql`delete from audit_events where day = ${SECOND}::date`)
    await tx.execute(sql`delete from audit_checkpoints where day = ${SECOND}::date`)
  })
  t.equal((await log.verify()).ok, true, 'the database alone does not tell')
  t.match(await log.verify({ known: head }), { ok: false, problem: { day: SECOND, seq: 10, kind: 'removed' } })

  await log.write(10, DAY_2)
  t.match(
    await log.verify({ known: head }),
    { ok: false, problem: { day: SECOND, seq: 10, kind: 'altered' } },
    'nor may another grow in its place',
  )
})

t.test('nothing is linked to a checkpoint that is not ours, or over events that were put behind it', async (t) => {
  const log = await makeFilledLog(t)
  const forged = { type: 'test.forged', outcome: 'success', day: SECOND, seq: 11, hash: 'x' } as const
  await log.db.insert(auditEvents).values(forged)
  await t.rejects(log.write(1, DAY_2), 'the place is taken')
  t.match(await log.verify(), { ok: false, problem: { day: SECOND, seq: 11, kind: 'unsigned' } })
  await tamper(log.db, (tx) => tx.execute(sql`delete from audit_events where type = 'test.forged'`))

  const [last] = await log.db.select().from(auditCheckpoints).orderBy(desc(auditCheckpoints.day)).limit(1)
  const { privateKey: key } = await generateKeyPair('ES256')
  const { kid, alg } = await log.keys.signer('audit')
  const checkpoint = { day: SECOND, first: 11, last: 11, before: 'x', hash: 'theirs', at: DAY_2.toISOString() }
  const jws = await signCheckpoint(checkpoint, { kid, alg, key })
  await log.db.insert(auditCheckpoints).values({ ...last, before: 'x', day: SECOND, first: 11, jws })
  await t.rejects(linkEvents(log.db, log.keys, DAY_2), /signature verification failed/)
})
