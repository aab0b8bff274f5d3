import { randomBytes, randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { makePlace } from '../bench/gatehouse/place.ts'
import { type ServerProcess, startServer } from '../test/fixtures/processes.ts'

const ending: (() => unknown)[] = []

/** What a command has started, to be ended when it is over. */
export const run = { teardown: (task: () => unknown) => void ending.push(task) }

/** Runs a command, and ends what it has started, the last first, however it is over. */
export async function execute(main: () => Promise<void>): Promise<void> {
  try {
    await main()
  } finally {
    for (const task of ending.reverse()) await task()
  }
}

/** Starts a server process with a database of its own: on the PostgreSQL of DATABASE_URL, or embedded. */
export async function startAlone(settings: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
  const place = await makePlace(process.env.DATABASE_URL)
  run.teardown(() => place.drop())
  return startServer(run, { ...place.env, SECRET_KEYS: randomBytes(32).toString('base64url'), ...settings })
}

/** The resident memory of a process. */
export function residentMebibytes(pid: number): number {
  const kibibytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kibibytes) / 1024)
}

/** Some IPv4 address, for a request that is not to be limited with others. */
export const anyAddress = () => Array.from({ length: 4 }, () => randomInt(256)).join('.')
