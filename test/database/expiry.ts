import { randomUUID } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { deleteExpired } from '../../src/database/expiry.ts'
import {
  accounts,
  apiKeys,
  auditEvents,
  changes,
  firstPartyRefreshTokens,
  firstPartySessions,
  oneTimeLinks,
  providerModels,
  revokedTokens,
} from '../../src/database/schema.ts'
import { makeDatabase } from '../fixtures/database.ts'

const { db, env, drop } = await makeDatabase()
t.teardown(drop)

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
  }
  await makeModel('never', null)

  t.equal(await deleteExpired(db, NOW), 6, 'one row of each table')
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
  t.equal(await deleteExpired(db, NOW), 0, 'and nothing more the next time')
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
  const expired = sql`insert into revoked_tokens select 'expired ' || i, ${PAST.toISOString()}::timestamptz`
  await db.execute(sql`${expired} from generate_series(1, 2500) as i`)
  const live = (await db.$count(revokedTokens)) - 2500
  t.equal(await deleteExpired(db, NOW), 2500)
  t.equal(await db.$count(revokedTokens), live)
})

t.test('what another connection has locked is left for the next time', postgresOnly(), async (t) => {
  const other = openDatabase({ url: env.DATABASE_URL ?? '' }, { max: 1 })
  t.teardown(() => other.close())
  await makeModel('locked', PAST)
  await makeModel('free', PAST)
  await other.db.transaction(async (tx) => {
    await tx.select().from(providerModels).where(eq(providerModels.id, 'locked')).for('update')
    t.equal(await deleteExpired(db, NOW), 1)
  })
  t.equal(await deleteExpired(db, NOW), 1)
})

function postgresOnly() {
  return { skip: env.DATABASE_URL === undefined && 'the embedded database has one session' }
}
