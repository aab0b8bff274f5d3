import t from 'tap'
import { makeCorpus } from '../fixtures/fuzz/corpus.ts'
import { fuzz } from '../fixtures/fuzz/fuzz.ts'
import { toWire } from '../fixtures/fuzz/message.ts'
import { routesOf } from '../fixtures/fuzz/routes.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { sendRaw, statusOf } from '../fixtures/raw-connection.ts'

const limits = { headersTimeout: 2_000, requestTimeout: 3_000, checkingInterval: 100 }
const server = await startGatehouse(t, { env: { LOG_LEVEL: 'error' }, limits })

t.test('the corpus is good, and has every route', async (t) => {
  const corpus = await makeCorpus(server)
  const routes = routesOf(server.app).filter(
    ({ name }) => !name.includes('/assets/app/') && !name.startsWith('OPTIONS'),
  )
  t.ok(routes.length > 45, `${routes.length} routes`)
  for (const { method, path, name } of routes) {
    t.ok(
      corpus.some((message) => message.method === method && path.test(message.target)),
      name,
    )
  }
  for (const { method, target, ...message } of corpus) {
    const status = statusOf(await sendRaw(t, server.url, toWire({ method, target, ...message })))
    const isGood =
      message.isRefused === true ? [400, 401, 404].includes(status) : [200, 201, 204, 206, 303].includes(status)
    t.ok(isGood, `${method} ${target}: ${status}`)
  }
})

t.test('2,000 mutated requests: none fails here, none hangs (ASVS V16.5)', async (t) => {
  const { failures, statuses } = await fuzz({
    port: server.config.port,
    count: 2_000,
    seed: 20_261_125,
    patience: 20_000,
    renewEvery: 1_000,
    makeCorpus: () => makeCorpus(server),
  })
  t.strictSame(failures, [])
  t.ok((statuses[200] ?? 0) > 100, `some are still good: ${JSON.stringify(statuses)}`)
  t.ok((statuses[400] ?? 0) > 100)
  t.strictSame(server.log, [], 'the log holds no failure')
})
