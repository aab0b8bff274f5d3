import postgres from 'postgres'
import t from 'tap'
import { makeOpaqueToken } from '../../src/secrets/opaque-token.ts'
import { makeClient, tokenRequest } from '../fixtures/clients.ts'
import { makeOneOfEach } from '../fixtures/credentials.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { makePostgres, skipWithoutPostgres } from '../fixtures/postgres.ts'

/** As many as the pool of a server has connections, of each kind of request. */
const AT_ONCE = 10

t.test('a database that is frozen', { skip: skipWithoutPostgres }, async (t) => {
  const cluster = await makePostgres()
  t.teardown(() => cluster.close())
  const server = await startGatehouse(t, { on: cluster.url })
  const observer = postgres(server.env.DATABASE_URL ?? '', { max: 1 })
  t.teardown(() => observer.end())
  const connections = async () => {
    const [row] = await observer`select count(*)::int as count from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`
    return row?.count as number
  }
  const person = await makePerson(server)
  const sessions = await Promise.all(Array.from({ length: AT_ONCE }, () => signIn(server, person)))
  const held = await makeOneOfEach(server)
  const machine = await makeClient(server, { type: 'machine' })
  const issue = () => tokenRequest(server, machine, { grant_type: 'client_credentials' })
  const send = () => [
    ...sessions.map(({ refreshToken }) => server.post('/api/auth/refresh', { refreshToken })),
    ...Array.from({ length: AT_ONCE }, issue),
    ...Array.from({ length: AT_ONCE }, () => server.fetch('/api/me', { headers: bearer(makeOpaqueToken()) })),
  ]
  t.ok((await Promise.all(Array.from({ length: AT_ONCE }, issue))).every(({ ok }) => ok))
  const before = await connections()

  await t.test('keeps nobody waiting: every request that needs it is told 503, with Retry-After', async (t) => {
    cluster.freeze()
    const responses = await Promise.all(send())
    for (const { status, headers, url } of responses) {
      t.equal(status, 503, url)
      t.match(headers.get('retry-after'), /^\d+$/)
    }
    t.equal((await server.fetch('/healthz')).status, 200)
  })

  await t.test('serves again within 5 seconds of its thaw', async (t) => {
    cluster.thaw()
    const status = await eventually(
      async () => (await issue()).status,
      (answer) => answer === 200,
      5_000,
    )
    t.equal(status, 200)
    for (const { kind, headers } of held) t.equal((await server.fetch('/api/me', { headers })).status, 200, kind)
    for (const response of await Promise.all(Array.from({ length: AT_ONCE }, issue))) t.equal(response.status, 200)
  })

  await t.test('is left with no connection more than before', async (t) => {
    const after = await eventually(connections, (count) => count <= before, 5_000)
    t.ok(after <= before, `${after} connections, ${before} before`)
  })
})
