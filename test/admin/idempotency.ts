import { randomUUID } from 'node:crypto'
import t from 'tap'
import { idempotencyKeys } from '../../src/idempotency-keys/schema.ts'
import { dumpDatabase } from '../fixtures/dump.ts'
import { whileFailing } from '../fixtures/fault.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makeMachineAdministrator } from '../fixtures/machine-administrator.ts'
import { PASSWORD } from '../fixtures/people.ts'
import { postAtOnce } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const other = await startGatehouse(t, { beside: server })
const admin = await makeMachineAdministrator(server)
const keyed = (key: string = randomUUID()) => ({ 'idempotency-key': key })
const account = () => ({ email: `${randomUUID()}@example.com`, password: PASSWORD })
const count = async () => (await admin.walk('/accounts', 'accounts', 200)).length

t.test('the same request gets the same answer, and makes nothing (Idempotency-Key 2.2)', async (t) => {
  const [input, key] = [account(), keyed()]
  const first = await admin.ask('POST', '/accounts', input, key)
  t.equal(first.status, 201)
  const before = await count()
  t.strictSame(await admin.ask('POST', '/accounts', input, key), first)
  t.equal(await count(), before)
  t.match(await admin.ask('POST', '/accounts', input), { status: 409 }, 'without the key it is another')
})

t.test('another request with the key is refused, and so is the same for another thing (2.7)', async (t) => {
  const [input, key] = [account(), keyed()]
  await admin.ask('POST', '/accounts', input, key)
  const before = await count()
  const refused = { status: 422, body: { code: 'idempotency_key_reused' } }
  t.match(await admin.ask('POST', '/accounts', { ...input, name: 'Ada' }, key), refused)
  t.match(await admin.ask('POST', '/accounts', account(), key), refused)
  t.equal(await count(), before)
})

t.test('keys of one administrator are nobody else’s', async (t) => {
  const key = keyed()
  const mine = await admin.ask('POST', '/accounts', account(), key)
  const theirs = await (await makeMachineAdministrator(server)).ask('POST', '/accounts', account(), key)
  t.strictSame([mine.status, theirs.status], [201, 201])
  t.not(theirs.location, mine.location)
})

t.test('of many at once, over several processes, one makes it and all are told', async (t) => {
  const headers = { ...admin.headers, ...keyed() }
  const path = '/initial-access-tokens'
  const tokens = () => admin.walk(path, 'initialAccessTokens', 200)
  const answers = await postAtOnce([server, other], `/api/admin${path}`, 8, { body: { days: 1 }, headers })
  t.strictSame(
    answers.map(({ status }) => status),
    Array(8).fill(201),
  )
  t.equal(new Set(answers.map(({ body }) => body.token)).size, 1)
  t.equal((await tokens()).length, 1)
})

t.test('a request that fails leaves its key free', async (t) => {
  const [input, key] = [account(), keyed()]
  t.equal((await admin.ask('POST', '/accounts', { ...input, password: 'password1234' }, key)).status, 400)
  const fault = { table: 'audit_events', when: `new.type = 'account.create'` } as const
  t.equal((await whileFailing(server.db, fault, () => admin.ask('POST', '/accounts', input, key))).status, 500)
  t.equal((await admin.ask('POST', '/accounts', input, key)).status, 201)
})

t.test('a key of another form is refused', async (t) => {
  for (const key of ['', 'é', 'x'.repeat(256)]) {
    const refused = await admin.ask('POST', '/accounts', account(), keyed(key)).catch((error) => error)
    if (!(refused instanceof TypeError)) t.equal(refused.status, 400, key)
  }
})

t.test('what is kept tells neither key, caller, request nor answer', async (t) => {
  const [input, key] = [account(), randomUUID()]
  const { body } = await admin.ask<{ id: string }>('POST', '/accounts', input, keyed(key))
  const rows = JSON.stringify(await server.db.select().from(idempotencyKeys))
  t.notMatch(rows, new RegExp(`${key}|${admin.id}|${input.email}|${body.id}`))
  t.notMatch(await dumpDatabase(server.db), new RegExp(`${key}|${PASSWORD}`))
})
