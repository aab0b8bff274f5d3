import t from 'tap'
import { type Held, makeOneOfEach } from '../fixtures/credentials.ts'
import { eventually } from '../fixtures/eventually.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, signIn } from '../fixtures/people.ts'
import { makePostgres, skipWithoutPostgres } from '../fixtures/postgres.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { countQueries } from '../fixtures/queries.ts'

/** How soon after a restart everything is as before. */
const RECOVERY_MS = 5_000

const statusOf = async (server: Gatehouse, { headers }: Held) => (await server.fetch('/api/me', { headers })).status

/** Waits until a server answers for a credential without a query. */
async function becomesWarm(server: Gatehouse, held: Held): Promise<boolean> {
  const queries = () => countQueries(server, () => statusOf(server, held))
  return (await eventually(queries, (count) => count === 0, RECOVERY_MS)) === 0
}

/** As whoever holds it does: by signing out with it, or for a key by deleting it. */
async function revoke(server: Gatehouse, held: Held): Promise<number> {
  if (held.kind !== 'api_key') return (await server.post('/api/auth/logout', {}, held.headers)).status
  if (held.person === undefined) throw new Error('a key without an owner')
  const { accessToken } = await signIn(server, held.person)
  return (await server.fetch(`/api/keys/${held.id}`, { method: 'DELETE', headers: bearer(accessToken) })).status
}

/** Every answer for a credential until one is as wanted, for as long as a recovery may take. */
async function answersUntil(server: Gatehouse, held: Held, wanted: number): Promise<number[]> {
  const answers: number[] = []
  await eventually(
    async () => answers[answers.push(await statusOf(server, held)) - 1],
    (answer) => answer === wanted,
    RECOVERY_MS,
  )
  return answers
}

t.test('a database that crashes and restarts', { skip: skipWithoutPostgres }, async (t) => {
  const cluster = await makePostgres()
  t.teardown(() => cluster.close())
  const here = await startGatehouse(t, { on: cluster.url })
  const proxy = await startProxy(new URL(here.env.DATABASE_URL ?? ''))
  t.teardown(() => proxy.close())
  const there = await startGatehouse(t, { beside: here, listenThrough: proxy.url })
  const servers = { here, there }
  const [kept, revoked] = [await makeOneOfEach(here), await makeOneOfEach(here)]
  for (const held of [...kept, ...revoked]) {
    for (const [name, server] of Object.entries(servers)) t.ok(await becomesWarm(server, held), `${held.kind} ${name}`)
  }

  await proxy.cut()
  for (const held of revoked) t.match(String(await revoke(here, held)), /^20[04]$/, `${held.kind} is revoked`)
  await cluster.stop('immediate')

  await t.test('lets in nobody who was revoked while it is away', async (t) => {
    for (const held of revoked) {
      for (const [name, server] of Object.entries(servers)) {
        // The other process hears nothing, and may trust its memory for a second after it last did.
        const answers = name === 'there' ? await answersUntil(server, held, 503) : [await statusOf(server, held)]
        t.match(String(answers.at(-1)), /^(401|503)$/, `${held.kind} ${name}`)
      }
    }
  })

  await cluster.start()

  await t.test('refuses on every process what was revoked before the crash', async (t) => {
    for (const held of revoked) {
      for (const [name, server] of Object.entries(servers)) {
        const answers = await answersUntil(server, held, 401)
        t.equal(answers.pop(), 401, `${held.kind} ${name}`)
        t.ok(
          answers.every((answer) => answer === 503),
          `${held.kind} ${name}: nothing else before: ${answers}`,
        )
      }
    }
  })

  await t.test('lets in everybody else within 5 seconds, also where nothing is heard yet', async (t) => {
    for (const held of kept) {
      for (const [name, server] of Object.entries(servers)) {
        const answers = await answersUntil(server, held, 200)
        t.equal(answers.pop(), 200, `${held.kind} ${name}`)
        t.ok(
          answers.every((answer) => answer === 503),
          `${held.kind} ${name}: nothing else before: ${answers}`,
        )
      }
    }
  })

  await t.test('is trusted from memory again, once revocations are heard', async (t) => {
    await proxy.restore()
    for (const [name, server] of Object.entries(servers)) {
      for (const held of kept) t.ok(await becomesWarm(server, held), `${held.kind} ${name}`)
      for (const held of revoked) t.equal(await statusOf(server, held), 401, `${held.kind} ${name}`)
    }
    for (const held of kept) {
      t.match(String(await revoke(here, held)), /^20[04]$/, `${held.kind} is revoked`)
      t.equal(await statusOf(here, held), 401, `${held.kind} here`)
      const answer = await eventually(
        () => statusOf(there, held),
        (status) => status === 401,
      )
      t.equal(answer, 401, `${held.kind} there`)
    }
  })
})
