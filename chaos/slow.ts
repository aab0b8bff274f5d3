/**
 * Normal traffic with and without 1,000 connections that are as slow as they may be, in rounds that alternate.
 * Exits with 1 when the p99 with them is over twice that without, or a request fails. On an embedded database, or
 * one made on the PostgreSQL of DATABASE_URL; `--connections N` (1000), `--rounds N` (5), `--seconds N` of each (3).
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { parseArgs } from 'node:util'
import { createLatencies } from '../bench/load/latencies.ts'
import { bearer, PASSWORD } from '../test/fixtures/people.ts'
import type { ServerProcess } from '../test/fixtures/processes.ts'
import { execute, residentMebibytes, run, startAlone } from './command.ts'
import type { Held, Hold } from './slow-clients.ts'

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
  },
})
const CONNECTIONS = Number(values.connections)
const ROUNDS = Number(values.rounds)
const SECONDS = Number(values.seconds)
/** Requests at a time. */
const CLIENTS = 8
const PATHS = ['/api/me', '/api/keys', '/.well-known/openid-configuration', '/']
const MOST = 2

async function main(): Promise<void> {
  const server = await startAlone()
  const headers = bearer(await signUp(server))
  const slow = fork('chaos/slow-clients.ts')
  run.teardown(() => slow.disconnect())
  const port = Number(new URL(server.url).port)
  await measure(server, headers)

  const rounds: { without: number; with: number }[] = []
  let held: Held = { open: 0, opened: 0 }
  let rss = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const without = await measure(server, headers)
    held = await hold(slow, { port, connections: CONNECTIONS })
    rounds.push({ without, with: await measure(server, headers) })
    rss = Math.max(rss, residentMebibytes(server.pid))
    await hold(slow, { port, connections: 0 })
  }
  const median = (of: (round: { without: number; with: number }) => number) =>
    rounds.map(of).sort((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN
  const result = { without: median((r) => r.without), with: median((r) => r.with) }
  const times = result.with / result.without
  process.stdout.write(`${JSON.stringify({ connections: held.open, rounds, rss_mib: rss })}\n`)
  process.stdout.write(`p99 ${result.without} ms without, ${result.with} ms with: ${times.toFixed(2)} times\n`)
  if (!(times < MOST)) process.exitCode = 1
}

async function signUp({ url }: ServerProcess): Promise<string> {
  const post = async (path: string, body: object) => {
    const sent = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    return (await (await fetch(url + path, sent)).json()) as { accessToken: string }
  }
  const account = { email: 'ada@example.com', password: PASSWORD }
  await post('/api/auth/register', account)
  return (await post('/api/auth/login/jwt', account)).accessToken
}

/** The p99 in milliseconds of some seconds of normal traffic. */
async function measure({ url }: ServerProcess, headers: Record<string, string>): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  const latencies = createLatencies()
  const until = performance.now() + SECONDS * 1000
  const client = async (turn: number) => {
    for (let index = turn; performance.now() < until; index += 1) {
      const path = PATHS[index % PATHS.length] ?? ''
      const sentAt = performance.now()
      const [response] = (await once(get(url + path, { agent, headers }), 'response')) as [IncomingMessage]
      if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`)
      await once(response.resume(), 'end')
      latencies.add(performance.now() - sentAt)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)))
  agent.destroy()
  return latencies.quantile(0.99)
}

async function hold(slow: ChildProcess, order: Hold): Promise<Held> {
  slow.send(order)
  const [held] = (await once(slow, 'message')) as [Held]
  return held
}

await execute(main)
