import { randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { TooManyAttempts } from '../../src/errors.ts'
import { createCounters, createLimit } from '../../src/limits/limits.ts'
import { attempts } from '../../src/limits/schema.ts'
import { createKeyedDigest } from '../../src/secrets/keyed-digest.ts'
import { createSealer } from '../../src/secrets/sealed.ts'
import { makeDatabase } from '../fixtures/database.ts'
import { freePort } from '../fixtures/gatehouse.ts'

const { db, drop } = await makeDatabase()
t.teardown(drop)
const nameOf = createKeyedDigest(createSealer([randomBytes(32)]), 'attempts')
const counters = createCounters(db, nameOf)
const elapse = () => db.execute(sql`update attempts set expires_at = now() - interval '1 second'`)

t.test('two processes count together, each key for itself', async (t) => {
  const [here, there] = [createLimit(counters, 'pairs', 3, 60), createLimit(createCounters(db, nameOf), 'pairs', 3, 60)]
  await here.count('a')
  await there.count('a')
  await here.count('a')
  await t.rejects(there.requireLeft('a'), TooManyAttempts)
  await t.rejects(there.count('a'), TooManyAttempts)
  await there.count('b')
  await createLimit(counters, 'others', 3, 60).requireLeft('a')
})

t.test('of many at once no more than may be get through', async (t) => {
  const limit = createLimit(counters, 'crowd', 5, 60)
  const ends = await Promise.allSettled(Array.from({ length: 30 }, () => limit.count('a')))
  t.equal(ends.filter(({ status }) => status === 'fulfilled').length, 5)
})

t.test('the counting starts over when its time has passed', async () => {
  const limit = createLimit(counters, 'window', 1, 60)
  await limit.count('a')
  await elapse()
  await limit.requireLeft('a')
  await limit.count('a')
})

t.test('the database does not hold what is counted, only a keyed digest (ASVS V11.4)', async (t) => {
  await createLimit(counters, 'secret', 3, 60).count('my password, typed as an e-mail')
  const rows = JSON.stringify(await db.select().from(attempts))
  t.notMatch(rows, /password, typed/)
  t.match(rows, nameOf('my password, typed as an e-mail'))
  const other = createKeyedDigest(createSealer([randomBytes(32)]), 'attempts')
  t.not(other('x'), nameOf('x'))
})

t.test('while the database is away the count goes on in memory', async (t) => {
  const nowhere = openDatabase({ url: `postgres://nobody@127.0.0.1:${await freePort()}/none` })
  t.teardown(() => nowhere.close())
  const away = createCounters(nowhere.db, nameOf)
  const limit = createLimit(away, 'away', 2, 60)
  await limit.requireLeft('a')
  await limit.count('a')
  await limit.count('a')
  await t.rejects(limit.count('a'), TooManyAttempts)
  await t.rejects(limit.requireLeft('a'), TooManyAttempts)
})
