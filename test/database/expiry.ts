import { randomUUID } from 'node:crypto'
import { eq, lt, sql } from 'drizzle-orm'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { createExpiry, deleteExpired } from '../../src/database/expiry.ts'
import {
  accounts,
  apiKeys,
  auditEvents,
  changes,
  firstPartyRefreshTokens,
  firstPartySessions,
  providerModels,
  revokedTokens,
} from '../../src/database/schema.ts'
import { idempotencyKeys } from '../../src/idempotency-keys/schema.ts'
import { oneTimeLinks } from '../../src/setup/schema.ts'
import { makeDatabase } from '../fixtures/database.ts'
import { eventually } from '../fixtures/eventually.ts'

const { db, env, storage, drop } = await makeDatabase()
t.teardown(drop)

/** How many rows one run deletes. */
async function deleted(...input: Parameters<typeof deleteExpired>): Promise<number> {
  return [...(await deleteExpired(...input)).values()].reduce((sum, count) => sum + count, 0)
}

const NOW = new Date('2030-01-01T00:00:00Z')
const PAST = new Date(NOW.getTime() - 1)
const FUTURE = new Date(NOW.getTime() + 1)

async function makeAccount(): Promise<string> {
  const id = randomUUID()
  await db.insert(accounts).values({ id, email: id, emailKey: id, passwordHash: 'none' })
  return id
}

async function makeSession(accountId: string, expiresAt: Date): Promise<string> {
  const id = randomUUID()
  await db.insert(firstPartySessions).values({ id, accountId, authenticatedAt: PAST, expiresAt })
  return id
}

const makeModel = (id: string, expiresAt: Date | null) =>
  db.insert(providerModels).values({ model: 'AccessToken', id, payload: {}, expiresAt })

t.test('of what expires, only what has expired goes', async (t) => {
  const accountId = await makeAccount()
  const live = await makeSession(accountId, FUTURE)
  await makeSession(accountId, PAST)
  for (const [name, expiresAt] of [
    ['past', PAST],
    ['now', NOW],
    ['future', FUTURE],
  ] as const) {
    await makeModel(name, expiresAt)
    await db.insert(revokedTokens).values({ tokenId: name, expiresAt })
    await db.insert(oneTimeLinks).values({ digest: name, purpose: 'first_administrator', expiresAt })
    await db.insert(changes).values({ tag: name, at: PAST, expiresAt })
    await db.insert(firstPartyRefreshTokens).values({ digest: name, sessionId: live, expiresAt })
    await db.insert(idempotencyKeys).values({ name: Buffer.from(name).toString('base64url'), expiresAt })
  }
  await makeModel('never', null)

  t.equal(await deleted(db, NOW), 7, 'one row of each table')
  t.strictSame((await db.select().from(providerModels)).map(({ id }) => id).toSorted(), ['future', 'never', 'now'])
  t.strictSame((await db.select().from(revokedTokens)).map(({ tokenId }) => tokenId).toSorted(), ['future', 'now'])
  t.strictSame((await db.select().from(changes)).map(({ tag }) => tag).toSorted(), ['future', 'now'])
  t.strictSame((await db.select().from(oneTimeLinks)).map(({ digest }) => digest).toSorted(), ['future', 'now'])
  const refreshTokens = await db.select().from(firstPartyRefreshTokens)
  t.strictSame(refreshTokens.map(({ digest }) => digest).toSorted(), ['future', 'now'])
  t.strictSame(
    (await db.select().from(firstPartySessions)).map(({ id }) => id),
    [live],
  )
  t.equal(await deleted(db, NOW), 0, 'and nothing more the next time')
})

t.test('a session takes its refresh tokens along', async (t) => {
  const sessionId = await makeSession(await makeAccount(), PAST)
  await db.insert(firstPartyRefreshTokens).values({ digest: 'of the session', sessionId, expiresAt: FUTURE })
  await deleteExpired(db, NOW)
  const left = await db.select().from(firstPartyRefreshTokens).where(eq(firstPartyRefreshTokens.sessionId, sessionId))
  t.strictSame(left, [])
})

t.test('accounts, API keys and the audit log stay', async (t) => {
  const accountId = await makeAccount()
  const key = { id: randomUUID(), accountId, name: 'old', digest: 'd', prefix: 'p', scope: [], expiresAt: PAST }
  await db.insert(apiKeys).values(key)
  await db.insert(auditEvents).values({ type: 'test.old', outcome: 'success', at: new Date(0) })
  await deleteExpired(db, NOW)
  t.equal(await db.$count(accounts, eq(accounts.id, accountId)), 1)
  t.equal(await db.$count(apiKeys), 1)
  t.equal(await db.$count(auditEvents), 1)
})

t.test('more than one batch goes in one call', async (t) => {
  await makeRevokedTokens(2500)
  const live = (await db.$count(revokedTokens)) - 2500
  t.equal(await deleted(db, NOW), 2500)
  t.equal(await db.$count(revokedTokens), live)
})

t.test('what another connection has locked is left for the next time', postgresOnly(), async (t) => {
  const other = openDatabase({ url: env.DATABASE_URL ?? '' }, { max: 1 })
  t.teardown(() => other.close())
  await makeModel('locked', PAST)
  await makeModel('free', PAST)
  await other.db.transaction(async (tx) => {
    await tx.select().from(providerModels).where(eq(providerModels.id, 'locked')).for('update')
    t.equal(await deleted(db, NOW), 1)
  })
  t.equal(await deleted(db, NOW), 1)
})

t.test('only one process deletes at a time', postgresOnly(), async (t) => {
  const other = openDatabase({ url: env.DATABASE_URL ?? '' }, { max: 1 })
  t.teardown(() => other.close())
  await makeModel('of the other', PAST)
  await other.db.transaction(async (tx) => {
    t.equal(await deleted(tx, NOW), 1)
    await makeModel('of this one', PAST)
    t.equal(await deleted(db, NOW), 0, 'while the other has not committed')
  })
  t.equal(await deleted(db, NOW), 1)
})

t.test('nothing is deleted after the end', async (t) => {
  await makeModel('too late', PAST)
  t.equal(await deleted(db, NOW, AbortSignal.abort()), 0)
  t.equal(await deleted(db, NOW), 1)
})

t.test('the end waits for the batch under way, and the pool can go after it', postgresOnly(), async (t) => {
  const pool = openDatabase({ url: env.DATABASE_URL ?? '' })
  await makeRevokedTokens(2500)
  const before = await db.$count(revokedTokens)
  const failures: unknown[] = []
  const expiry = createExpiry(
    { db: pool.db, address: { url: env.DATABASE_URL ?? '' } },
    (error) => failures.push(error),
    1,
  )
  let closed: Promise<void> | undefined
  await db.transaction(async (tx) => {
    await tx.execute(sql`lock table revoked_tokens in share mode`)
    await eventually(
      () => db.execute(sql`select 1 from pg_locks where not granted and relation = 'revoked_tokens'::regclass`),
      (waiting) => waiting.length > 0,
      10_000,
    )
    closed = expiry.close()
  })
  await closed
  await pool.close()
  t.equal(await db.$count(revokedTokens), before - 500, 'one batch')
  t.strictSame(failures, [])
})

t.test('what goes little by little leaves no room behind either', async (t) => {
  const pages = async () => {
    const [size] = await db.execute<{ pages: number }>(sql`select pg_relation_size('changes')::int / 8192 as pages`)
    return size?.pages ?? 0
  }
  const insertChanges = (count: number) =>
    db.execute(sql`insert into changes (tag, at, expires_at)
      select 'token ' || i, now(), ${PAST.toISOString()}::timestamptz - interval '10 years'
      from generate_series(1, ${count}::int) as i`)
  const pool = openDatabase(storage.address, { max: 2 })
  t.teardown(() => pool.close())
  const expiry = createExpiry({ db: pool.db, address: storage.address }, t.error, 50)
  t.teardown(() => expiry.close())
  for (let part = 0; part < 4; part += 1) {
    await insertChanges(3_000)
    await eventually(
      () => db.$count(changes, lt(changes.expiresAt, new Date())),
      (count) => count === 0,
      20_000,
    )
  }
  t.ok((await eventually(pages, (count) => count < 40, 20_000)) < 40, 'of 4 times 25')
})

function makeRevokedTokens(count: number) {
  const expired = sql`insert into revoked_tokens select gen_random_uuid(), ${new Date(0).toISOString()}::timestamptz`
  return db.execute(sql`${expired} from generate_series(1, ${count}) as i`)
}

function postgresOnly() {
  return { skip: env.DATABASE_URL === undefined && 'the embedded database has one session' }
}
