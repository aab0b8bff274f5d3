import { randomUUID } from 'node:crypto'
import { inArray, sql } from 'drizzle-orm'
import t from 'tap'
import { createAccount } from '../../src/accounts/accounts.ts'
import { apiKeyExpiry, issueApiKey } from '../../src/api-keys/api-keys.ts'
import { createUsage, type Usage } from '../../src/api-keys/usage.ts'
import { apiKeys } from '../../src/database/schema.ts'
import { joinDatabase, makeDatabase } from '../fixtures/database.ts'
import { countQueries } from '../fixtures/queries.ts'

const database = await makeDatabase()
t.teardown(() => database.drop())
const { db } = database
const HOUR_MS = 3_600_000
const USAGE = /\buse_count \+/

/** As of a process of its own. */
async function startUsage(): Promise<{ usage: Usage; errors: unknown[] }> {
  const joined = await joinDatabase(database)
  t.teardown(() => joined.drop())
  const errors: unknown[] = []
  return { usage: createUsage(joined.db, HOUR_MS, (error) => errors.push(error)), errors }
}

t.test('processes that write down the same keys at once neither lose a use nor stop each other', async (t) => {
  const now = new Date()
  const account = await createAccount(db, { email: 'ada@example.com', password: 'a long engine song', name: 'Ada' })
  const input = { accountId: account.id, scope: [], expiresAt: apiKeyExpiry(now, 1), prefix: 'gk_live_' }
  const ids: string[] = []
  for (let i = 0; i < 300; i += 1) ids.push((await issueApiKey(db, { ...input, name: `key ${i}` }, now)).id)
  // Among many others, so that rows are looked up one by one, in whatever order they come.
  await db.execute(sql`
    insert into api_keys (id, account_id, name, digest, prefix, scope, expires_at)
    select gen_random_uuid(), ${account.id}, 'other', sha256(n::text::bytea), '', '{}', ${now.toISOString()}::timestamptz
    from generate_series(1, 20000) as n`)
  await db.execute(sql`analyze api_keys`)

  const rounds = 5
  const processes = 6
  for (let round = 0; round < rounds; round += 1) {
    const started = await Promise.all(Array.from({ length: processes }, startUsage))
    for (const [index, { usage }] of started.entries())
      for (const id of index % 2 === 0 ? ids : ids.toReversed()) usage.note(id, now, '192.0.2.1')
    await Promise.all(started.map(({ usage }) => usage.close()))
    for (const { errors } of started) t.strictSame(errors, [])
  }
  const counts = (await db.select().from(apiKeys).where(inArray(apiKeys.id, ids))).map(({ useCount }) => useCount)
  t.strictSame(new Set(counts), new Set([rounds * processes]))
})

t.test('keys that are remembered are bounded: more are written down early, or told when that fails', async (t) => {
  const most = 50_000
  const errors: Error[] = []
  const usage = createUsage(db, HOUR_MS, (error) => errors.push(error as Error))
  const noteMany = (count: number) => {
    for (let i = 0; i < count; i += 1) usage.note(randomUUID(), new Date(), '192.0.2.1')
  }
  t.equal(await countQueries({ db }, async () => noteMany(most + 1), USAGE), 1, 'one more than that writes them down')
  await db.execute(sql`alter table api_keys rename column use_count to away`)
  noteMany(most)
  await usage.close()
  t.match(
    errors.map(({ message }) => message),
    [/use_count/, /^1 uses of keys were not counted/],
  )
})
