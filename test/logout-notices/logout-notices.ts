import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createClient } from '../../src/clients/clients.ts'
import { pauseAfter } from '../../src/database/outbox.ts'
import { accounts } from '../../src/database/schema.ts'
import { logoutOutbox, noteSignOut } from '../../src/logout-notices/logout-notices.ts'
import { logoutNotices } from '../../src/logout-notices/schema.ts'
import { makeDatabase } from '../fixtures/database.ts'

const { db, drop } = await makeDatabase()
t.teardown(drop)

const NOW = new Date('2030-01-01T00:00:00Z')
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000)
const accountId = randomUUID()
await db.insert(accounts).values({ id: accountId, email: 'a@b.example', emailKey: 'a@b.example', passwordHash: 'none' })
const input = { name: 'An App', type: 'web', redirectUris: ['https://app.example/callback'] } as const
const { client: quiet } = await createClient(db, input)
const { client } = await createClient(db, { ...input, backchannelLogoutUri: 'https://app.example/logout' })

t.test('only clients that want it are told, and none that is gone', async (t) => {
  const clients = { [quiet.id]: { sid: 'a' }, [client.id]: { sid: 'b' }, client_gone: {} }
  await noteSignOut(db, accountId, clients, NOW)
  await noteSignOut(db, accountId, {}, NOW)
  t.match(await db.select().from(logoutNotices), [{ clientId: client.id, accountId, sid: 'b', attempts: 0 }])
  await db.delete(logoutNotices)
})

t.test('of many who take notices at once each has others', async (t) => {
  for (let count = 0; count < 60; count += 1) await noteSignOut(db, accountId, { [client.id]: {} }, NOW)
  const taken = (await Promise.all(Array.from({ length: 5 }, () => logoutOutbox.take(db, NOW)))).flat()
  t.equal(new Set(taken.map(({ id }) => id)).size, taken.length)
  for (let round = 0; round < 3; round += 1) taken.push(...(await logoutOutbox.take(db, NOW)))
  t.equal(taken.length, 60)
  t.equal((await logoutOutbox.take(db, later(9))).length, 0, 'nor are they taken while they are being sent')
  t.equal((await logoutOutbox.take(db, later(11))).length, 20, 'but when who took them does not come back')
  await db.delete(logoutNotices)
})

t.test('what is not taken waits ever longer, and is given up after a day', async (t) => {
  await noteSignOut(db, accountId, { [client.id]: {} }, NOW)
  let now = NOW
  let attempts = 0
  for (; (await db.$count(logoutNotices)) > 0; attempts += 1) {
    const [notice] = await logoutOutbox.take(db, now)
    if (notice === undefined) throw new Error('it should be due')
    t.equal(notice.attempts, attempts + 1)
    await logoutOutbox.postpone(db, notice, 'no answer', now)
    t.equal((await logoutOutbox.take(db, new Date(now.getTime() + pauseAfter(notice.attempts) - 1))).length, 0)
    now = new Date(now.getTime() + pauseAfter(notice.attempts))
  }
  t.ok(now <= later(24 * 3600 + 3600), `given up after ${attempts} attempts`)
  t.ok(attempts > 20)

  await noteSignOut(db, accountId, { [client.id]: {} }, NOW)
  const [notice] = await logoutOutbox.take(db, NOW)
  if (notice === undefined) throw new Error('it should be due')
  await logoutOutbox.settle(db, notice)
  await logoutOutbox.settle(db, notice)
  t.equal(await db.$count(logoutNotices), 0, 'and what was taken is gone')
})
