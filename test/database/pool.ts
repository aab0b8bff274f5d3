import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import type { Database } from '../../src/database/client.ts'
import { changes } from '../../src/database/schema.ts'
import { isDatabaseUnavailable } from '../../src/database/unavailable.ts'
import { makeDatabase } from '../fixtures/database.ts'

const { db, drop } = await makeDatabase()
t.teardown(drop)
const skip = process.env.TEST_DATABASE_URL ? false : 'the embedded database has one connection, and it is not lost'

const insert = (on: Database, tag: string) => on.insert(changes).values({ tag, at: new Date(), expiresAt: new Date() })
const count = async (tag: string) => (await db.select().from(changes).where(eq(changes.tag, tag))).length
const backend = async (on: Database) =>
  (await on.execute<{ pid: number }>(sql`select pg_backend_pid() as pid from pg_sleep(0.05)`))[0]?.pid ?? 0

t.test(
  'what a transaction did before its connection was lost is undone, and the rest of it runs nowhere',
  { skip },
  async (t) => {
    const lost = db.transaction(async (tx) => {
      await insert(tx, 'token before')
      const pid = await backend(tx)
      await db.execute(sql`select pg_terminate_backend(${pid}::int, 5000)`)
      await t.rejects(insert(tx, 'token after'), 'refused')
      // Those who come next have all connections there may be, and in transactions of their own.
      await Promise.all(
        Array.from({ length: 10 }, () =>
          db.transaction(async (other) => {
            await insert(other, 'token of another')
            await t.rejects(insert(tx, 'token after'), 'refused for good')
          }),
        ),
      )
    })
    await t.rejects(lost)
    t.equal(await count('token before'), 0)
    t.equal(await count('token after'), 0)
    t.equal(await count('token of another'), 10, 'and nobody else is undone')
  },
)

t.test('a lost connection is told as a database that does not answer', { skip }, async (t) => {
  const error = await db
    .transaction(async (tx) => {
      await tx.execute(sql`select pg_terminate_backend(pg_backend_pid())`)
    })
    .catch((thrown: unknown) => thrown)
  t.ok(isDatabaseUnavailable(error), String(error))
})

t.test('a transaction that hides the failure of a query is not told to be committed', async (t) => {
  await t.rejects(
    db.transaction(async (tx) => {
      await insert(tx, 'token hidden')
      await tx.execute(sql`select 1 / 0`).catch(() => {})
    }),
    /undone/,
  )
  t.equal(await count('token hidden'), 0)
})

t.test('a part of a transaction may fail for itself', async (t) => {
  await db.transaction(async (tx) => {
    await insert(tx, 'token outer')
    const inner = tx.transaction(async (part) => {
      await insert(part, 'token inner')
      await part.execute(sql`select 1 / 0`)
    })
    await t.rejects(inner)
  })
  t.equal(await count('token outer'), 1)
  t.equal(await count('token inner'), 0)
})

t.test('eight look-ups at once share a connection, at most ten are opened', { skip }, async (t) => {
  const used = async (atOnce: number) =>
    new Set(await Promise.all(Array.from({ length: atOnce }, () => backend(db)))).size
  t.equal(await used(8), 1)
  t.equal(await used(20), 3)
  t.equal(await used(100), 10)
})

t.test('a write that waits for a lock holds up no look-up', { skip }, async (t) => {
  await insert(db, 'token locked')
  const write = (on: Database) => on.update(changes).set({ at: new Date() }).where(eq(changes.tag, 'token locked'))
  let waiting: Promise<unknown> | undefined
  await db.transaction(async (tx) => {
    await write(tx)
    waiting = Promise.all(Array.from({ length: 5 }, () => write(db).then(() => 'written')))
    const counts = await Promise.all(Array.from({ length: 30 }, () => count('token locked')))
    t.equal(counts.length, 30)
    t.equal(await Promise.race([waiting, Promise.resolve('waits')]), 'waits')
  })
  t.strictSame(
    await waiting,
    Array.from({ length: 5 }, () => 'written'),
  )
})

t.test('a closed pool refuses', async (t) => {
  const other = await makeDatabase()
  await other.drop()
  await t.rejects(other.db.execute(sql`select 1`))
})
