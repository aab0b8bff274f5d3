import t from 'tap'
import { readLog, unlinked } from '../../src/audit/log.ts'
import { makeClient, tokenRequest } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { gatehouseAt, startServer } from '../fixtures/processes.ts'

const skip = process.env.TEST_DATABASE_URL ? false : 'the embedded database is of one process'

t.test('two server processes under load keep one chain, which misses no acknowledged token', { skip }, async (t) => {
  const server = await startGatehouse(t)
  const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
  const env = { ...server.env, ISSUER: server.url }
  const processes = await Promise.all([startServer(t, env), startServer(t, env)])

  const issued = new Set<string>()
  const load = processes.flatMap(({ url }) =>
    Array.from({ length: 8 }, async () => {
      for (let i = 0; i < 40; i += 1) {
        const response = await tokenRequest(gatehouseAt(url, server), machine, { grant_type: 'client_credentials' })
        const { access_token } = (await response.json()) as { access_token: string }
        issued.add(JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString()).jti)
      }
    }),
  )
  await Promise.all(load)
  for (const each of processes) t.equal((await each.stop()).code, 0)
  t.equal(
    (
      await eventually(
        () => unlinked(server.db),
        ({ count }) => count === 0,
        30_000,
      )
    ).count,
    0,
  )

  t.equal(issued.size, 640)
  for await (const entry of readLog(server.db)) {
    if ('event' in entry) issued.delete(String((entry.event.credential as { id?: string } | undefined)?.id))
  }
  t.equal(issued.size, 0)
  t.match(await createOperator(server.env).run(t, ['audit', 'verify']), { ok: true, not_yet_linked: { count: 0 } })
})
