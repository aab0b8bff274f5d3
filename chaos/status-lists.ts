/**
 * How long a server of an API that checks JWTs by itself lets in what was revoked: two server processes and
 * `examples/resource-server`, which reads status lists from one of them every second; tokens are revoked at the other, and
 * clients deleted, in turns and one after another. Exits with 1 when the p99 is 2 seconds or more, or another token is
 * refused. On the PostgreSQL of DATABASE_URL, in a database of its own. `--revocations N` (200).
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createLatencies } from '../bench/load/latencies.ts'
import { createClient, deleteClient, type NewClient } from '../src/clients/clients.ts'
import { createResource } from '../src/resources/resources.ts'
import { makeDatabase } from '../test/fixtures/database.ts'
import { freePort } from '../test/fixtures/gatehouse.ts'
import { startServer } from '../test/fixtures/processes.ts'
import { startResourceServer } from '../test/fixtures/resource-server.ts'
import { execute, run } from './command.ts'

const { values } = parseArgs({ options: { revocations: { type: 'string', default: '200' } } })
const COUNT = Number(values.revocations)
const MOST_MS = 2_000
const PATIENCE_MS = 10_000
const MACHINE: NewClient = { name: 'Machine', type: 'machine', redirectUris: [], scope: ['orders:read'] }

async function main(): Promise<void> {
  if (process.env.DATABASE_URL === undefined) throw new Error('give DATABASE_URL: two processes need a PostgreSQL')
  const database = await makeDatabase(process.env.DATABASE_URL)
  run.teardown(database.drop)
  const SECRET_KEYS = crypto.getRandomValues(Buffer.alloc(32)).toString('base64url')
  const port = await freePort()
  const ISSUER = `http://localhost:${port}`
  const env = { ...database.env, SECRET_KEYS, ISSUER }
  await startServer(run, env, port)
  const { url } = await startServer(run, env)
  const orders = await startResourceServer(run, ISSUER)
  const scopes = { 'orders:read': 'See your orders' }
  await createResource(database.db, ISSUER, { identifier: orders.identifier, name: 'Orders', scopes, format: 'jwt' })

  const machine = async () => {
    const { client, secret = '' } = await createClient(database.db, MACHINE)
    const post = async (path: string, form: Record<string, string>) => {
      const authorization = `Basic ${Buffer.from(`${client.id}:${secret}`).toString('base64')}`
      const body = new URLSearchParams(form)
      const response = await fetch(`${url}${path}`, { method: 'POST', headers: { authorization }, body })
      if (!response.ok) throw new Error(`${path}: ${response.status}`)
      return response
    }
    const form = { grant_type: 'client_credentials', resource: orders.identifier }
    const { access_token: token } = (await (await post('/oauth/token', form)).json()) as { access_token: string }
    if ((await orders.status(token)) !== 200) throw new Error('a good token is refused')
    const revoke = () => post('/oauth/revoke', { token })
    return { token, revoke, remove: () => deleteClient(database.db, client.id, new Date()) }
  }
  const kept = await machine()
  const latencies = createLatencies()
  for (let index = 0; index < COUNT; index += 1) {
    const { token, revoke, remove } = await machine()
    // So that it falls anywhere between two polls.
    await delay(Math.random() * 1000)
    await (index % 2 === 0 ? revoke : remove)()
    const revokedAt = performance.now()
    while ((await orders.status(token)) !== 401) {
      if (performance.now() - revokedAt > PATIENCE_MS) throw new Error('a revoked token is still good')
      await delay(5)
    }
    latencies.add(performance.now() - revokedAt)
    if ((await orders.status(kept.token)) !== 200) throw new Error('a token that nobody revoked is refused')
  }
  const [p50, p99, worst] = [0.5, 0.99, 1].map((part) => Math.round(latencies.quantile(part)))
  process.stdout.write(`${JSON.stringify({ revocations: latencies.count, p50, p99, worst })}\n`)
  if (latencies.quantile(0.99) >= MOST_MS) process.exitCode = 1
}

await execute(main)
