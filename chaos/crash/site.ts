import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { createAccount, type Role } from '../../src/accounts/accounts.ts'
import { makeClient } from '../../test/fixtures/clients.ts'
import { makeDatabase } from '../../test/fixtures/database.ts'
import { freePort, type Gatehouse } from '../../test/fixtures/gatehouse.ts'
import { makeKey, PASSWORD } from '../../test/fixtures/people.ts'
import { makePostgres } from '../../test/fixtures/postgres.ts'
import { gatehouseAt, type ServerProcess, startServer } from '../../test/fixtures/processes.ts'
import { keyOwner, machine, operator } from './actors.ts'
import { createAsk } from './ask.ts'
import { startBalancer } from './balancer.ts'
import { type Actor, createChain } from './chain.ts'
import { oauth, session } from './kinds.ts'
import type { Told } from './told.ts'

/** The most connections of one server: its pool, one to hear of changes and one to tell of them. */
const CONNECTIONS = 12
const SERVERS = 2

export type Site = Awaited<ReturnType<typeof openSite>>

/** A PostgreSQL of its own, two servers on it behind one address, and clients of every kind. */
export async function openSite(run: { teardown(task: () => unknown): void }, told: Told) {
  const cluster = await makePostgres()
  run.teardown(() => cluster.close())
  const database = await makeDatabase(cluster.url)
  run.teardown(() => database.storage.close())
  await database.db.execute('create role servers superuser login')
  const url = new URL(database.env.DATABASE_URL ?? '')
  const observer = postgres(url.href, { max: 1, onnotice: () => {} })
  run.teardown(() => observer.end({ timeout: 1 }))
  url.username = 'servers'

  const port = await freePort()
  const issuer = `http://localhost:${port}`
  const env = { DATABASE_URL: url.href, SECRET_KEYS: randomBytes(32).toString('base64url'), ISSUER: issuer }
  const balancer = await startBalancer(port)
  run.teardown(balancer.close)
  const processes = new Set<ServerProcess>()

  const start = async () => {
    const started = await startServer(run, env)
    processes.add(started)
    balancer.servers.add(started.url)
  }
  const kill = async (victims: readonly ServerProcess[]) => {
    for (const victim of victims) balancer.servers.delete(victim.url)
    for (const victim of victims) processes.delete(victim)
    await Promise.all(victims.map((victim) => victim.stop('SIGKILL')))
  }
  const fill = () => Promise.all(Array.from({ length: SERVERS - processes.size }, start))
  await fill()

  const ask = createAsk(issuer, told)
  const server = gatehouseAt(issuer, { db: database.db } as Gatehouse)
  return {
    cluster,
    db: database.db,
    env,
    ask,
    processes,
    kill,
    /** Starts as many as are missing. */
    fill,
    actors: await makeActors(server, told),
    /** How many connections the servers have to the database, and how many they may. */
    async connections() {
      const [row] = await observer`select count(*)::int as count from pg_stat_activity where usename = 'servers'`
      return { count: row?.count as number, most: SERVERS * CONNECTIONS }
    },
  }
}

async function makeActors(server: Gatehouse, told: Told): Promise<Actor[]> {
  const ask = createAsk(server.url, told)
  let number = 0
  const person = async (role: Role = 'user') => {
    const email = `person-${++number}@example.com`
    return { ...(await createAccount(server.db, { email, password: PASSWORD, name: 'Ada', role })), password: PASSWORD }
  }
  const isAlive = async ({ headers }: { headers: Readonly<Record<string, string>> }) => {
    const answer = await ask('/api/me', { headers })
    return answer && answer.status === 200
  }
  const actors: Actor[] = []
  for (const [name, input] of [
    ['web client', {}],
    ['web client with opaque tokens', { accessTokenFormat: 'opaque' }],
    ['public client', { type: 'spa' }],
  ] as const) {
    const client = await makeClient(server, input)
    for (const endsAtSignOut of [false, true]) {
      const kind = oauth(name, server, ask, client, await person(), told, endsAtSignOut)
      actors.push(createChain(kind, told, isAlive))
    }
  }
  for (let each = 0; each < 3; each += 1) {
    actors.push(createChain(session('first-party session', ask, await person()), told, isAlive))
  }
  for (const accessTokenFormat of ['jwt', 'opaque'] as const) {
    const client = await makeClient(server, { type: 'machine', scope: ['profile:read'], accessTokenFormat })
    actors.push(machine(`machine with ${accessTokenFormat} tokens`, ask, client, told))
  }
  for (let each = 0; each < 2; each += 1) actors.push(keyOwner(ask, await person(), told))
  const administrator = await person('admin')
  const { apiKey } = await makeKey(server, administrator, ['admin:read'])
  return [...actors, operator(ask, server.db, administrator.id, apiKey, told)]
}
