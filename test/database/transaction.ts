import { sql } from 'drizzle-orm'
import t from 'tap'
import type { Database } from '../../src/database/client.ts'
import { makeDatabase } from '../fixtures/database.ts'

const { db, drop } = await makeDatabase()
t.teardown(drop)
await db.execute(sql`create table notes (text text)`)
const notes = async () => (await db.execute<{ text: string }>(sql`select text from notes`)).map(({ text }) => text)

t.test('what work leaves behind does not run once its transaction is over, committed or undone', async (t) => {
  let late: Database | undefined
  const write = () => late?.execute(sql`insert into notes values ('late')`)
  await db.transaction(async (tx) => {
    late = tx
    await tx.execute(sql`insert into notes values ('in time')`)
  })
  await t.rejects(async () => write(), { cause: { message: /is over/ } })

  const failing = db.transaction(async (tx) => {
    late = tx
    throw new Error('no')
  })
  await t.rejects(failing, { message: 'no' })
  await t.rejects(async () => write(), { cause: { message: /is over/ } })
  t.strictSame(await notes(), ['in time'])
})
