/**
 * Honest clients that lose a third of all answers and refresh from twenty tabs at once, and thieves, against two
 * server processes. Exits with 1 when an honest one was signed out, or a theft went unnoticed. On the PostgreSQL
 * of DATABASE_URL, in a database of its own; `--refreshes N` (10000).
 */
import { parseArgs } from 'node:util'
import { createAccount } from '../src/accounts/accounts.ts'
import { authorize, makeClient } from '../test/fixtures/clients.ts'
import { startGatehouse } from '../test/fixtures/gatehouse.ts'
import { signIn } from '../test/fixtures/people.ts'
import { gatehouseAt, startServer } from '../test/fixtures/processes.ts'
import { clientPost } from '../test/fixtures/wire.ts'
import { execute, run } from './command.ts'

const { values } = parseArgs({ options: { refreshes: { type: 'string', default: '10000' } } })
const REFRESHES = Number(values.refreshes)
const TABS = 20
const LOST = 1 / 3
const CLIENTS = 6
const PASSWORD = 'correct horse battery staple'

const counts = { refreshes: 0, lost: 0, signedOut: 0, thefts: 0, unnoticed: 0 }

interface Kind {
  start(): Promise<string>
  /** The next token; undefined when it is refused. */
  refresh(token: string): Promise<string | undefined>
}

async function main(): Promise<void> {
  if (process.env.DATABASE_URL === undefined) throw new Error('give DATABASE_URL: two processes need a PostgreSQL')
  process.env.TEST_DATABASE_URL = process.env.DATABASE_URL
  const straight = await startGatehouse(run as never)
  const env = { ...straight.env, ISSUER: straight.url }
  const servers = await Promise.all([startServer(run, env), startServer(run, env)])
  const either = () => gatehouseAt(servers[Math.random() < 0.5 ? 0 : 1].url, straight)
  const email = 'ada@example.com'
  const account = await createAccount(straight.db, { email, password: PASSWORD, name: 'Ada', role: 'user' })
  const person = { ...account, password: PASSWORD }
  const client = await makeClient(straight, { type: 'spa' })

  const session: Kind = {
    start: async () => (await signIn(straight, person)).refreshToken,
    async refresh(refreshToken) {
      const response = await either().post('/api/auth/refresh', { refreshToken })
      return tokenOf(response, 401, 'refreshToken')
    },
  }
  const grant: Kind = {
    start: async () => (await (await authorize(straight, client, person)).redeem()).refresh_token ?? '',
    async refresh(refresh_token) {
      const form = { grant_type: 'refresh_token', refresh_token }
      return tokenOf(await clientPost(either(), '/oauth/token', client, form), 400, 'refresh_token')
    },
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => live(number % 2 === 0 ? session : grant)))
  process.stdout.write(`${JSON.stringify(counts)}\n`)
  if (counts.signedOut > 0 || counts.unnoticed > 0) process.exitCode = 1
}

async function tokenOf(response: Response, refusal: number, member: string): Promise<string | undefined> {
  counts.refreshes += 1
  const body = (await response.json()) as Record<string, string>
  if (response.status === 200) return body[member]
  if (response.status === refusal) return undefined
  throw new Error(`${response.status} ${JSON.stringify(body)}`)
}

/** Twenty tabs that share what one of them stores, wave after wave; now and then somebody has a copy. */
async function live(kind: Kind): Promise<void> {
  let token = await kind.start()
  let older = [token]
  for (let wave = 1; counts.refreshes < REFRESHES; wave += 1) {
    const answers = await Promise.all(Array.from({ length: TABS }, () => kind.refresh(token)))
    if (answers.includes(undefined)) {
      counts.signedOut += 1
      token = await kind.start()
      older = [token]
      continue
    }
    const heard = answers.filter(() => Math.random() >= LOST)
    counts.lost += TABS - heard.length
    if (heard[0] !== undefined && heard[0] !== token) older.push(token)
    token = heard[0] ?? token
    if (wave % 10 !== 0 || older.length < 3) continue

    counts.thefts += 1
    if (wave % 20 === 0) await useOld(kind, older.at(-3) ?? '')
    else await useNewest(kind, token)
    if ((await kind.refresh(token)) !== undefined) counts.unnoticed += 1
    token = await kind.start()
    older = [token]
  }
}

/** A thief with an old copy is refused. */
async function useOld(kind: Kind, token: string): Promise<void> {
  if ((await kind.refresh(token)) !== undefined) counts.unnoticed += 1
}

/** A thief with the newest goes on from it twice, which leaves the owner with an old one. */
async function useNewest(kind: Kind, token: string): Promise<void> {
  const next = await kind.refresh(token)
  if (next !== undefined) await kind.refresh(next)
}

await execute(main)
