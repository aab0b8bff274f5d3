import { createConnection } from 'node:net'
import t from 'tap'
import { setDisabled } from '../../src/accounts/change-account.ts'
import { firstPartyJwt, type Held, makeOneOfEach } from '../fixtures/credentials.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { countQueries } from '../fixtures/queries.ts'

const onServer = process.env.TEST_DATABASE_URL ? false : 'the embedded database has one process, and no LISTEN to lose'
const NATS = 'nats://127.0.0.1:4222'

const statusOf = async (server: Gatehouse, { headers }: Held) => (await server.fetch('/api/me', { headers })).status

/** Repeats until an answer is as wanted, for six seconds at most. */
async function until(wanted: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + 6_000
  while (performance.now() < deadline) {
    if (await wanted()) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

t.test(
  'without its LISTEN connection a process asks the database, and misses no revocation',
  { skip: onServer },
  async (t) => {
    const here = await startGatehouse(t)
    const proxy = await startProxy(new URL(here.env.DATABASE_URL ?? ''))
    t.teardown(() => proxy.close())
    const there = await startGatehouse(t, { beside: here, listenThrough: proxy.url })
    const held = await makeOneOfEach(here)
    const ofPeople = held.filter(({ person }) => person !== undefined)
    const queries = (one: Held) => countQueries(there, () => statusOf(there, one))
    const setAllDisabled = async (disabled: boolean) => {
      for (const { person } of ofPeople) await setDisabled(here.db, person?.id ?? '', disabled, new Date())
    }
    for (const one of held) t.ok(await until(async () => (await queries(one)) === 0), `warm: ${one.kind}`)

    await proxy.cut()
    for (const one of held)
      t.ok(await until(async () => (await queries(one)) > 0), `trusts its memory no more: ${one.kind}`)
    await setAllDisabled(true)
    for (const one of ofPeople) t.equal(await statusOf(there, one), 401, one.kind)

    await setAllDisabled(false)
    await proxy.restore()
    for (const one of held) {
      t.equal(await statusOf(there, one), 200, one.kind)
      t.ok(await until(async () => (await queries(one)) === 0), `warm again: ${one.kind}`)
    }
    await setAllDisabled(true)
    for (const one of ofPeople) t.ok(await until(async () => (await statusOf(there, one)) === 401), one.kind)
  },
)

t.test(
  'NATS carries revocations where the database has no LISTEN',
  { skip: onServer || !(await answers(NATS)) },
  async (t) => {
    const here = await startGatehouse(t, { env: { NATS_URL: NATS } })
    const there = await startGatehouse(t, { beside: here, env: { NATS_URL: NATS } })
    const held = await firstPartyJwt(here)
    t.ok(await until(async () => (await countQueries(there, () => statusOf(there, held))) === 0), 'warm')
    await setDisabled(here.db, held.person?.id ?? '', true, new Date())
    t.equal(await statusOf(here, held), 401)
    t.ok(await until(async () => (await statusOf(there, held)) === 401))
  },
)

function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = createConnection(Number(port), hostname)
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => socket.destroy())
    socket.once('connect', () => socket.end())
  })
}
