/**
 * Mutated requests over raw connections to every route of a server process. Exits with 1 when one is answered by a
 * 5xx, or neither answered nor closed in time, when the process logs a failure or ends, or when its memory grows
 * without a bound. On a database of its own on the PostgreSQL of DATABASE_URL; `--count N` (100000), `--seed N`.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { makeCorpus } from '../test/fixtures/fuzz/corpus.ts'
import { fuzz } from '../test/fixtures/fuzz/fuzz.ts'
import { startGatehouse } from '../test/fixtures/gatehouse.ts'
import { startServer } from '../test/fixtures/processes.ts'
import { execute, residentMebibytes, run } from './command.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
  },
})
const COUNT = Number(values.count)
const SEED = Number(values.seed)
/** Over the request timeout of 30 seconds. */
const PATIENCE_MS = 45_000
/** Where it leveled off, after 47,000 requests, was 503. */
const MOST_MEBIBYTES = 640

async function main(): Promise<void> {
  if (process.env.DATABASE_URL === undefined) throw new Error('give DATABASE_URL: two processes need a PostgreSQL')
  process.env.TEST_DATABASE_URL = process.env.DATABASE_URL
  const straight = await startGatehouse(run as never)
  const server = await startServer(run, { ...straight.env, ISSUER: straight.url })
  let mebibytes = 0
  const watch = setInterval(() => {
    mebibytes = Math.max(mebibytes, residentMebibytes(server.pid))
  }, 500)

  process.stdout.write(`--seed ${SEED} --count ${COUNT}\n`)
  const findings = await fuzz({
    port: Number(new URL(server.url).port),
    count: COUNT,
    seed: SEED,
    patience: PATIENCE_MS,
    renewEvery: 2_000,
    makeCorpus: () => makeCorpus(straight),
    onProgress: (sent) => process.stdout.write(`${new Date().toISOString()} ${sent} sent, ${mebibytes} MiB at most\n`),
  })
  const isAlive = (await fetch(`${server.url}/healthz`)).ok
  clearInterval(watch)
  const { code, stdout, stderr } = await server.stop()
  const logged = stdout.split('\n').filter((line) => line.startsWith('{') && JSON.parse(line).level >= 50)

  // What the engine says when a client goes away before its body is read.
  const said = stderr.split('\n').filter((line) => line !== '' && !/already parsed request body/.test(line))

  const { failures, ...counts } = findings
  process.stdout.write(
    `${JSON.stringify({ ...counts, failures: failures.length, logged: logged.length, mebibytes, code })}\n`,
  )
  for (const line of [...failures.slice(0, 20), ...logged.slice(0, 20)]) process.stdout.write(`${line}\n`)
  process.stderr.write(said.join('\n'))
  const isGood = failures.length === 0 && logged.length === 0 && isAlive && code === 0 && said.length === 0
  if (!isGood || mebibytes > MOST_MEBIBYTES) process.exitCode = 1
}

await execute(main)
