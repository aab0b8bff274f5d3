import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { makeApiKey } from '../src/secrets/api-key.ts'
import { makeOpaqueToken } from '../src/secrets/opaque-token.ts'
import { mistypedKey } from './cases/refusals.ts'
import type { Gatehouse } from './gatehouse/gatehouse.ts'
import { bearer } from './gatehouse/http.ts'
import { machineToken, type World } from './gatehouse/world.ts'
import { createLatencies } from './load/latencies.ts'
import { wrongAnswers } from './load/load.ts'
import type { Loader } from './load/loader.ts'
import type { Progress } from './output/progress.ts'

/** What a spray of bad credentials did to the process and to those who meant well. */
export interface Spray {
  readonly credentials: number
  readonly rssBefore: number
  readonly rssAfter: number
  /** Milliseconds of single good requests, beside nothing, beside as many good ones, and beside the spray. */
  readonly good: readonly { readonly beside: string; readonly p50: number; readonly p99: number }[]
}

const BATCH = 20_000
const CALM_SECONDS = 5
/** Between two requests of the good traffic that is measured. */
const PAUSE_MS = 4

export interface SprayOptions {
  readonly world: World
  readonly apiKey: string
  readonly credentials: number
  readonly connections: number
}

/** Presents distinct bad credentials of every form, so many at once, beside a good one now and then. */
export async function measureSpray(
  gatehouse: Gatehouse,
  loader: Loader,
  { world, apiKey, credentials, connections }: SprayOptions,
  progress: Progress,
): Promise<Spray> {
  const { url } = gatehouse
  const good = { 'x-api-key': apiKey }
  const bad = await badCredentials(gatehouse, world)

  const calm = await beside('nothing', () => delay(CALM_SECONDS * 1000))
  const busy = await beside(`${connections} connections of good requests`, () =>
    loader.run({ url, path: '/api/me', headers: good, seconds: CALM_SECONDS, connections }),
  )
  const { rss: rssBefore } = await gatehouse.process.usage()
  const sprayed = await beside(`${connections} connections of bad credentials`, async () => {
    for (let sent = 0; sent < credentials; sent += BATCH) {
      progress.tell(`sprayed ${sent} of ${credentials} bad credentials`)
      const variants = Array.from({ length: Math.min(BATCH, credentials - sent) }, (_, index) => ({
        headers: bad[index % bad.length]?.() ?? {},
      }))
      const result = await loader.run({ url, path: '/api/me', variants, once: true, seconds: 600, connections })
      const wrong = wrongAnswers(result, [401, 429])
      if (wrong > 0) throw new Error(`${wrong} bad credentials were not refused: ${JSON.stringify(result.statuses)}`)
    }
  })
  progress.end()
  const { rss: rssAfter } = await gatehouse.process.usage()
  return { credentials, rssBefore, rssAfter, good: [calm, busy, sprayed] }

  async function beside(what: string, work: () => Promise<unknown>) {
    progress.tell(`good requests beside ${what}`)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const latencies = createLatencies()
    const ended = new AbortController()
    const probing = probe()
    await work().finally(() => ended.abort())
    await probing
    agent.destroy()
    return { beside: what, p50: latencies.quantile(0.5), p99: latencies.quantile(0.99) }

    async function probe() {
      while (!ended.signal.aborted) {
        const sentAt = performance.now()
        const [response] = (await once(get(`${url}/api/me`, { agent, headers: good }), 'response')) as [IncomingMessage]
        if (response.statusCode !== 200) throw new Error(`a good credential got ${response.statusCode}`)
        await once(response.resume(), 'end')
        latencies.add(performance.now() - sentAt)
        await delay(PAUSE_MS)
      }
    }
  }
}

/** One of each form: a typo, keys and tokens that never were, what only looks like a JWT, and a forged one. */
async function badCredentials(gatehouse: Gatehouse, world: World): Promise<(() => Record<string, string>)[]> {
  const [header = '', payload = '', signature = ''] = (await machineToken(gatehouse, world, 'jwt')).split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const forged = () => Buffer.from(JSON.stringify({ ...claims, jti: randomUUID() })).toString('base64url')
  return [
    () => ({ 'x-api-key': mistypedKey() }),
    () => ({ 'x-api-key': makeApiKey('gk_live_') }),
    () => bearer(makeOpaqueToken()),
    () => bearer(`${makeOpaqueToken()}.${makeOpaqueToken()}.${makeOpaqueToken()}`),
    () => bearer(`${header}.${forged()}.${signature}`),
  ]
}
