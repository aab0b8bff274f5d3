import { performance } from 'node:perf_hooks'
import autocannon from 'autocannon'
import { createLatencies } from './latencies.ts'
import type { LoadOrder, LoadResult } from './load.ts'

/** The members of an autocannon client by which it stops after the answer under way. */
type Limited = { reqsMade: number; responseMax: number | undefined; getRequestBuffer(): Buffer }

/** How long an answer may take. */
const PATIENCE_SECONDS = 60

process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
process.on('message', async (order: LoadOrder | 'stop') => {
  if (order === 'stop') process.exit()
  try {
    process.send?.(await run(order))
  } catch (error) {
    process.send?.({ failure: String(error) })
  }
})

async function run(order: LoadOrder): Promise<LoadResult> {
  const { headers = {}, body, variants = [], chain, expected: _, ...load } = order
  const amount = load.once ? Math.min(variants.length, load.amount ?? variants.length) : load.amount
  const tokens = [...(chain?.tokens ?? [])]
  const clients: Limited[] = []
  const latencies = createLatencies()
  const statuses: Record<number, number> = {}
  let turn = 0
  let bytes = 0
  let errors = 0

  const next = () => {
    if (chain !== undefined) return { headers, body: chain.body.replace('TOKEN', tokens.shift() ?? '') }
    const variant = variants[turn++ % variants.length]
    return { headers: { ...headers, ...variant?.headers }, body: variant?.body ?? body }
  }
  const varies = chain !== undefined || variants.length > 0
  const startedAt = performance.now()
  let answeredAt = startedAt

  const ended = Promise.withResolvers<void>()
  const keep = (text: string, member: string) => {
    const token: unknown = JSON.parse(text)[member]
    if (typeof token === 'string') tokens.push(token)
  }
  const instance = autocannon(
    {
      url: load.url,
      connections: Math.min(load.connections, amount ?? load.connections),
      duration: load.seconds + PATIENCE_SECONDS,
      timeout: PATIENCE_SECONDS,
      sampleInt: 50,
      skipAggregateResult: true,
      ...(amount === undefined ? {} : { amount }),
      setupClient: (client) => clients.push(client as unknown as Limited),
      requests: [
        {
          method: load.method ?? 'GET',
          path: load.path,
          headers,
          body,
          ...(varies ? { setupRequest: (request) => ({ ...request, ...next() }) } : {}),
          ...(chain === undefined ? {} : { onResponse: (_status, text) => keep(text, chain.member) }),
        },
      ],
    },
    (error: unknown) => (error ? ended.reject(error) : ended.resolve()),
  )
  instance.on('response', (client, status, received, milliseconds) => {
    answeredAt = performance.now()
    latencies.add(milliseconds)
    statuses[status] = (statuses[status] ?? 0) + 1
    bytes += received + (client as unknown as Limited).getRequestBuffer().length
  })
  instance.on('reqError', () => {
    errors += 1
  })
  const drain = setTimeout(() => {
    for (const client of clients) client.responseMax = client.reqsMade
  }, load.seconds * 1000)
  const sleep = load.isAwake === true ? stayAwake() : () => {}
  await ended.promise
  sleep()
  clearTimeout(drain)
  return {
    requests: latencies.count,
    seconds: (answeredAt - startedAt) / 1000,
    p50: latencies.quantile(0.5),
    p99: latencies.quantile(0.99),
    bytes,
    statuses,
    errors,
    tokens,
  }
}

/** @returns a function that lets it sleep again */
function stayAwake(): () => void {
  let turn: NodeJS.Immediate
  const again = () => {
    turn = setImmediate(again)
  }
  again()
  return () => clearImmediate(turn)
}
