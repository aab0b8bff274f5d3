import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { startEmbedded } from '../../src/database/embedded.ts'
import { isMigrated, migrateDatabase } from '../../src/database/migrate.ts'
import { accounts } from '../../src/database/schema.ts'
import { makeEmptyDatabase } from '../fixtures/empty-database.ts'

async function openEmpty(t: Test) {
  const { DATABASE_URL: url, DATA_DIR = '' } = await makeEmptyDatabase(t)
  const embedded = url === undefined ? await startEmbedded(DATA_DIR) : undefined
  const address = embedded?.address ?? { url: url ?? '' }
  const { db, close } = openDatabase(address)
  t.teardown(async () => {
    await close()
    await embedded?.close()
  })
  return { address, db }
}

t.test('an empty database is brought up to date, by several at once as by one', async (t) => {
  const { address, db } = await openEmpty(t)
  await t.rejects(isMigrated(db), 'there is nothing to ask yet')
  await Promise.all([1, 2, 3].map(() => migrateDatabase(address)))
  t.ok(await isMigrated(db))
  t.equal(await db.$count(accounts), 0)

  const applied = await db.execute(sql`select * from drizzle.__drizzle_migrations`)
  await migrateDatabase(address)
  t.strictSame([...(await db.execute(sql`select * from drizzle.__drizzle_migrations`))], [...applied], 'and only once')

  await db.execute(sql`update drizzle.__drizzle_migrations set created_at = created_at + 1`)
  t.ok(await isMigrated(db), 'a later version may have gone further')
  await db.execute(sql`update drizzle.__drizzle_migrations set created_at = created_at - 2`)
  t.notOk(await isMigrated(db), 'but not less far')
  await db.execute(sql`delete from drizzle.__drizzle_migrations`)
  t.notOk(await isMigrated(db))
})

t.test('a migration that fails leaves nothing behind, and does not keep others waiting', async (t) => {
  const { address, db } = await openEmpty(t)
  await db.execute(sql`create table signing_keys (in_the_way int)`)
  await t.rejects(migrateDatabase(address))
  const tables = await db.execute(sql`select tablename from pg_tables where schemaname = 'public'`)
  t.strictSame([...tables], [{ tablename: 'signing_keys' }])
  await db.execute(sql`drop table signing_keys`)
  await migrateDatabase(address)
  t.ok(await isMigrated(db))
})
