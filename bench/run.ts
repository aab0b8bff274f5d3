import { BASELINE } from './cases/case.ts'
import { makeCases, selectCases } from './cases/cases.ts'
import { makeCheckedKey } from './cases/checks.ts'
import { measuredOf } from './figures.ts'
import { startGatehouse } from './gatehouse/gatehouse.ts'
import { makePlace, type Place } from './gatehouse/place.ts'
import { makeWorld } from './gatehouse/world.ts'
import { startLoader } from './load/loader.ts'
import { describeMachine } from './machine.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { renderComparison } from './output/compare.ts'
import { createProgress, type Progress } from './output/progress.ts'
import { type Results, readResults, writePages, writeResults, writeStorage } from './output/results.ts'
import { renderTable } from './output/table.ts'
import { profileInto, stopAll } from './processes/processes.ts'
import { measureRevocations } from './revocation.ts'
import { measureRounds } from './rounds.ts'
import { measureSpray } from './spray.ts'
import { measurePages } from './storage/pages.ts'
import { measureStorage } from './storage/storage.ts'

const REVOCATIONS = 200

let place: Place | undefined
let ending: Promise<void> | undefined

/** Ends every process that was started and drops the database, once. */
function cleanUp(): Promise<void> {
  ending ??= (async () => {
    await stopAll()
    await place?.drop()
  })()
  return ending
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)))
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options.profile !== undefined) profileInto(options.profile)
  if (options.storage) await runStorage(options)
  else if (options.pages) await runPages(options)
  else await runCases(options)
} catch (error) {
  if (ending === undefined) {
    const isUsage = error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
    const text = error instanceof Error ? (isUsage || !error.stack ? error.message : error.stack) : String(error)
    process.stderr.write(`${text}\n${isUsage || error instanceof TypeError ? `\n${USAGE}\n` : ''}`)
    process.exitCode = 1
  }
} finally {
  await cleanUp()
}

/** Starts a Gatehouse with those who take part. */
async function prepare(progress: Progress) {
  progress.tell('starting')
  place = await makePlace(process.env.DATABASE_URL)
  const gatehouse = await startGatehouse(place)
  const loader = startLoader()
  progress.tell('making accounts, clients and credentials')
  return { place, gatehouse, loader, world: await makeWorld(gatehouse) }
}

async function runCases(options: Options): Promise<void> {
  const former = options.compare === undefined ? undefined : await readResults(options.compare)
  const results = await measureCases(options, createProgress())
  process.stdout.write(`${renderTable(results.cases)}\n`)
  process.stdout.write(`\nWritten to ${await writeResults(results)}\n`)
  if (former !== undefined) process.stdout.write(`\n${renderComparison(results.cases, former)}\n`)
}

async function runStorage(options: Options): Promise<void> {
  const databaseUrl = process.env.DATABASE_URL
  if (!databaseUrl) throw new TypeError('--storage needs a PostgreSQL in DATABASE_URL')
  const progress = createProgress()
  const { place, gatehouse, loader, world } = await prepare(progress)
  const storage = await measureStorage(gatehouse, loader, { ...options, databaseUrl, world }, progress)
  process.stdout.write(await writeStorage(describeMachine(place.version), storage))
}

async function runPages(options: Options): Promise<void> {
  const progress = createProgress()
  const { place, gatehouse, loader, world } = await prepare(progress)
  const pages = await measurePages(gatehouse, loader, { world, rows: options.rows }, progress)
  process.stdout.write(await writePages(describeMachine(place.version), pages))
}

async function measureCases(options: Options, progress: Progress): Promise<Results> {
  const { place, gatehouse, loader, world } = await prepare(progress)
  const { apiKey } = await makeCheckedKey(gatehouse, world)
  const cases = selectCases(await makeCases(gatehouse, world, place), options.only)

  const samples = await measureRounds(cases, loader, options, progress)
  const { rounds, seconds, connections } = options
  const results = {
    machine: describeMachine(place.version),
    settings: { rounds, seconds, connections },
    cases: cases.map((one) => measuredOf(one, samples, BASELINE)),
  }
  if (!options.all) return results
  const revocations = await measureRevocations(gatehouse, { world, place, count: REVOCATIONS }, progress)
  const spray = { world, apiKey, credentials: options.spray, connections }
  return { ...results, revocations, spray: await measureSpray(gatehouse, loader, spray, progress) }
}
