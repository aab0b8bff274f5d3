/**
 * Whether time tells a stranger which e-mails have an account: the median of sign-ins with a known and an unknown
 * e-mail, and of registrations with one that is taken and one that is free, in turns. On the PostgreSQL of
 * DATABASE_URL, in a database of its own, or embedded. Exits with 1 when medians are more than 5 % apart.
 * `--tries N` (200) of each.
 */
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { anyAddress, execute, startAlone } from './command.ts'

const { values } = parseArgs({ options: { tries: { type: 'string', default: '200' } } })
const TRIES = Number(values.tries)
const MOST = 0.05
const PASSWORD = 'correct horse battery staple'

async function main(): Promise<void> {
  const { url } = await startAlone({ TRUST_PROXY: '127.0.0.1', LOG_LEVEL: 'silent' })

  /** Milliseconds of one request, from an address of its own so that none is limited. */
  const time = async (path: string, email: string, password: string, expected: number) => {
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': anyAddress() }
    const sentAt = performance.now()
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ email, password }),
    })
    await response.text()
    if (response.status !== expected) throw new Error(`${path}: ${response.status}`)
    return performance.now() - sentAt
  }
  const register = (email: string, expected: number) => time('/api/auth/register', email, PASSWORD, expected)
  const signIn = (email: string) => time('/api/auth/login/jwt', email, 'a wrong guess', 401)
  const someone = () => `${randomUUID()}@example.com`

  // Forty for each account, since fifty failures are as many as one may have.
  const known = Array.from({ length: Math.ceil(TRIES / 40) }, someone)
  for (const email of known) await register(email, 201)
  const pick = (i: number) => known[i % known.length] ?? ''
  const compared = {
    signIn: await compare(
      (i) => signIn(pick(i)),
      () => signIn(someone()),
    ),
    register: await compare(
      (i) => register(pick(i), 409),
      () => register(someone(), 201),
    ),
  }
  process.stdout.write(`${JSON.stringify(compared)}\n`)
  if (Object.values(compared).some(({ apart }) => apart > MOST)) process.exitCode = 1
}

/** The medians of both in milliseconds, and how far apart they are; each goes first as often as the other. */
async function compare(known: (i: number) => Promise<number>, unknown: (i: number) => Promise<number>) {
  const times = { known: [] as number[], unknown: [] as number[] }
  for (let i = -10; i < TRIES; i += 1) {
    const inTurn = [
      async () => void times.known.push(await known(Math.abs(i))),
      async () => void times.unknown.push(await unknown(i)),
    ]
    for (const one of i % 2 === 0 ? inTurn : inTurn.reverse()) await one()
  }
  const [a, b] = [median(times.known.slice(10)), median(times.unknown.slice(10))]
  return { known: a, unknown: b, apart: Math.abs(a - b) / Math.min(a, b) }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

await execute(main)
