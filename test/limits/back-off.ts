import { randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { openDatabase } from '../../src/database/client.ts'
import { isDatabaseUnavailable } from '../../src/database/unavailable.ts'
import { TooManyAttempts } from '../../src/errors.ts'
import { createBackOff } from '../../src/limits/back-off.ts'
import { backOffs } from '../../src/limits/schema.ts'
import { createKeyedDigest } from '../../src/secrets/keyed-digest.ts'
import { createSealer } from '../../src/secrets/sealed.ts'
import { makeDatabase } from '../fixtures/database.ts'
import { freePort } from '../fixtures/gatehouse.ts'

const { db, drop } = await makeDatabase()
t.teardown(drop)
const nameOf = createKeyedDigest(createSealer([randomBytes(32)]), 'attempts')
const make = (name: string) => createBackOff(db, nameOf, name)
const isOf = (name: string, key = 'a') => eq(backOffs.key, `${name}:${nameOf(key)}`)
const set = (name: string, values: Partial<typeof backOffs.$inferInsert>) =>
  db.update(backOffs).set(values).where(isOf(name))
const SOON_MS = 60_000

t.test('who fails waits twice as long each time, a quarter of an hour at most', async (t) => {
  const backOff = make('doubling')
  const waits: number[] = []
  for (let failures = 1; failures <= 17; failures += 1) {
    const before = Date.now()
    ;(await backOff.begin('a')).failed()
    const after = Date.now()
    const [row] = await db.select().from(backOffs).where(isOf('doubling'))
    const until = row?.pausedUntil.getTime() ?? 0
    const wait = Math.round((until - before) / 1000)
    t.ok(until >= before + wait * 1000 && until <= after + wait * 1000, `${wait} seconds from the attempt on`)
    waits.push(wait)
    if (wait === 0) continue
    await set('doubling', { pausedUntil: new Date(Date.now() + SOON_MS) })
    const refused = await backOff.begin('a').catch((error: unknown) => error as TooManyAttempts)
    t.ok(refused instanceof TooManyAttempts)
    t.ok(Number((refused as TooManyAttempts).retryAfter) > 30, 'which the refusal tells')
    await set('doubling', { pausedUntil: new Date(Date.now() - 1) })
  }
  t.strictSame(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900])
  await set('doubling', { failures: 1_000_000 })
  ;(await backOff.begin('a')).failed()
  await backOff.begin('b')
})

t.test('failures are forgotten a day after the first', async (t) => {
  const backOff = make('day')
  for (let i = 0; i < 4; i += 1) (await backOff.begin('a')).failed()
  const [row] = await db.select().from(backOffs).where(isOf('day'))
  t.equal(Math.round(((row?.expiresAt.getTime() ?? 0) - Date.now()) / 3_600_000), 24)
  await set('day', { expiresAt: new Date(Date.now() - 1) })
  ;(await backOff.begin('a')).failed()
  const [again] = await db.select().from(backOffs).where(isOf('day'))
  t.equal(again?.failures, 1)
  t.equal(Math.round(((again?.expiresAt.getTime() ?? 0) - Date.now()) / 3_600_000), 24)
})

t.test('a success forgets the failures; what was not judged is given back', async (t) => {
  const backOff = make('forgetting')
  const fail = async () => (await backOff.begin('a')).failed()
  for (let i = 0; i < 4; i += 1) await fail()
  for (let i = 0; i < 3; i += 1) await (await backOff.begin('a')).giveBack()
  await (await backOff.begin('a')).succeeded()
  for (let i = 0; i < 5; i += 1) await fail()
  await set('forgetting', { pausedUntil: new Date(Date.now() + SOON_MS) })
  await t.rejects(backOff.begin('a'), TooManyAttempts)
})

t.test('who gives back does not end the wait that another has earned meanwhile', async (t) => {
  const [here, there] = [make('meanwhile'), make('meanwhile')]
  for (let i = 0; i < 3; i += 1) (await here.begin('a')).failed()
  const open = await here.begin('a')
  ;(await there.begin('a')).failed()
  await set('meanwhile', { pausedUntil: new Date(Date.now() + SOON_MS) })
  await open.giveBack()
  await t.rejects(there.begin('a'), TooManyAttempts)
})

t.test('of many that begin at once no more get through than one after another would', async (t) => {
  const [here, there] = [make('crowd'), make('crowd')]
  const fail = async (i: number) => (await (i % 2 === 0 ? here : there).begin('a')).failed()
  const ends = await Promise.allSettled(Array.from({ length: 30 }, (_, i) => fail(i)))
  t.equal(ends.filter(({ status }) => status === 'fulfilled').length, 5, 'of 30, over two processes')
})

t.test('none is refused for others that succeed at the same time', async (t) => {
  const backOff = make('tabs')
  const succeed = async () => (await backOff.begin('a')).succeeded()
  const ends = await Promise.allSettled(Array.from({ length: 20 }, succeed))
  t.ok(ends.every(({ status }) => status === 'fulfilled'))
})

t.test('nothing is counted while the database is away, and nothing judged', async (t) => {
  const nowhere = openDatabase({ url: `postgres://nobody@127.0.0.1:${await freePort()}/none` })
  t.teardown(() => nowhere.close())
  const error = await createBackOff(nowhere.db, nameOf, 'away')
    .begin('a')
    .catch((thrown: unknown) => thrown)
  t.ok(isDatabaseUnavailable(error))
})
