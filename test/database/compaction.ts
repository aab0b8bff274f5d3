import { sql } from 'drizzle-orm'
import t from 'tap'
import { compactTable } from '../../src/database/compaction.ts'
import { makeDatabase } from '../fixtures/database.ts'

const { db, drop } = await makeDatabase()
t.teardown(drop)

const insert = (name: string, count: number) =>
  db.execute(
    sql`insert into revoked_tokens select ${name}::text || i, now() from generate_series(1, ${count}::int) as i`,
  )

async function bytes(): Promise<number> {
  const [size] = await db.execute<{ bytes: string }>(sql`select pg_total_relation_size('revoked_tokens') as bytes`)
  return Number(size?.bytes)
}

async function names(): Promise<string[]> {
  const rows = await db.execute<{ id: string }>(sql`select token_id as id from revoked_tokens order by 1`)
  return rows.map(({ id }) => id)
}

t.test('after a purge the table has its size from before, although rows came after those that went', async (t) => {
  await insert('early ', 1000)
  await db.execute(sql`vacuum revoked_tokens`)
  const resting = await bytes()
  await insert('purged ', 30_000)
  await insert('late ', 30)
  const left = (await names()).filter((name) => !name.startsWith('purged'))
  await db.execute(sql`delete from revoked_tokens where token_id like 'purged%'`)
  await compactTable(db, 'revoked_tokens')
  t.ok((await bytes()) < resting * 1.2, `${await bytes()} of ${resting} bytes`)
  t.strictSame(await names(), left)
})

t.test('rows that are larger than those that went have room at the front too', async (t) => {
  const wide = 'late '.padEnd(1_500, '.')
  await insert('purged ', 60_000)
  await insert(wide, 600)
  await db.execute(sql`delete from revoked_tokens where token_id like 'purged%'`)
  await compactTable(db, 'revoked_tokens')
  const compacted = await bytes()
  await db.execute(sql`vacuum full revoked_tokens`)
  t.ok(compacted < (await bytes()) * 1.3, `${compacted} of ${await bytes()} bytes`)
  await db.execute(sql`delete from revoked_tokens where token_id like 'late%.%'`)
})

t.test('an index whose building was cut off is dropped, and those of the table stay', async (t) => {
  const indexes = async () =>
    (
      await db.execute<{ name: string; valid: boolean }>(sql`
        select indexrelid::regclass::text as name, indisvalid as valid
        from pg_index where indrelid = 'revoked_tokens'::regclass order by 1`)
    ).map(({ name, valid }) => ({ name, valid }))
  const before = await indexes()
  await db.execute(sql`create index revoked_tokens_ccnew on revoked_tokens (token_id)`)
  await db.execute(sql`update pg_index set indisvalid = false where indexrelid = 'revoked_tokens_ccnew'::regclass`)
  await insert('cut off ', 30_000)
  await db.execute(sql`delete from revoked_tokens where token_id like 'cut off%'`)
  await compactTable(db, 'revoked_tokens')
  t.strictSame(await indexes(), before)
})

t.test('a table that is mostly full is left as it is', async (t) => {
  await insert('more ', 20_000)
  const size = sql`select relfilenode from pg_class where oid = 'revoked_tokens_pkey'::regclass`
  const before = await db.execute(size)
  await db.execute(sql`delete from revoked_tokens where token_id like 'more 1%'`)
  await compactTable(db, 'revoked_tokens')
  t.strictSame([...(await db.execute(size))], [...before], 'its indexes are those from before')
})
