/**
 * What a flood of sign-ins does to the token checks of others: one good request after another beside nothing and
 * beside the flood, in turns. On the PostgreSQL of DATABASE_URL, in a database of its own, or embedded.
 * Exits with 1 when the 99th percentile more than doubles. `--rounds N` (6), `--seconds N` of each turn (2).
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent, get, type IncomingMessage, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createLatencies } from '../bench/load/latencies.ts'
import { anyAddress, execute, startAlone } from './command.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '6' }, seconds: { type: 'string', default: '2' } },
})
const ROUNDS = Number(values.rounds)
const TURN_MS = Number(values.seconds) * 1000
const GUESSERS = 40
const PAUSE_MS = 4
const PASSWORD = 'correct horse battery staple'

async function main(): Promise<void> {
  const { url } = await startAlone({ TRUST_PROXY: '127.0.0.1', LOG_LEVEL: 'silent' })
  const apiKey = await makeApiKey(url)
  const alone = createLatencies()
  const flooded = createLatencies()
  const statuses: Record<number, number> = {}
  await probe(url, apiKey, createLatencies(), AbortSignal.timeout(1000))
  for (let round = 0; round < ROUNDS; round += 1) {
    await probe(url, apiKey, alone, AbortSignal.timeout(TURN_MS))
    const over = AbortSignal.timeout(TURN_MS)
    const guessers = Array.from({ length: GUESSERS }, () => flood(url, statuses, over))
    await Promise.all([probe(url, apiKey, flooded, over), ...guessers])
  }
  const quantiles = (latencies: typeof alone) => ({ p50: latencies.quantile(0.5), p99: latencies.quantile(0.99) })
  const ratio = flooded.quantile(0.99) / alone.quantile(0.99)
  const result = { alone: quantiles(alone), flooded: quantiles(flooded), ratio, signIns: statuses }
  process.stdout.write(`${JSON.stringify(result)}\n`)
  if (ratio > 2) process.exitCode = 1
}

async function makeApiKey(url: string): Promise<string> {
  const email = 'ada@example.com'
  await postJson(`${url}/api/auth/register`, { email, password: PASSWORD })
  const { accessToken } = await postJson(`${url}/api/auth/login/jwt`, { email, password: PASSWORD })
  const headers = { authorization: `Bearer ${accessToken}` }
  return (await postJson(`${url}/api/auth/apikey/generate`, { name: 'probe' }, headers)).apiKey ?? ''
}

async function postJson(url: string, body: object, headers: Record<string, string> = {}) {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  }
  return (await (await fetch(url, init)).json()) as Record<string, string>
}

/** One good request after another, with what is remembered of its credential. */
async function probe(url: string, apiKey: string, latencies: ReturnType<typeof createLatencies>, over: AbortSignal) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  while (!over.aborted) {
    const sentAt = performance.now()
    const [response] = (await once(get(`${url}/api/me`, { agent, headers: { 'x-api-key': apiKey } }), 'response')) as [
      IncomingMessage,
    ]
    if (response.statusCode !== 200) throw new Error(`a good credential got ${response.statusCode}`)
    await once(response.resume(), 'end')
    latencies.add(performance.now() - sentAt)
    await delay(PAUSE_MS)
  }
  agent.destroy()
}

/** Guesses, each of another account and from another address, as fast as they are answered. */
async function flood(url: string, statuses: Record<number, number>, over: AbortSignal): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  while (!over.aborted) {
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': anyAddress() }
    const sent = request(`${url}/api/auth/login/jwt`, { method: 'POST', agent, headers })
    sent.end(JSON.stringify({ email: `${randomUUID()}@example.com`, password: 'a wrong guess' }))
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    await once(response.resume(), 'end')
    const { statusCode = 0 } = response
    statuses[statusCode] = (statuses[statusCode] ?? 0) + 1
    // Who is told to come back later and does so at once is as many requests as one likes: that is not about passwords.
    if (statusCode === 503) await delay(100)
  }
  agent.destroy()
}

await execute(main)
