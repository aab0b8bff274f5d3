/**
 * Clients of every kind against two server processes that are killed at random moments, and against a database that
 * crashes and freezes; after each crash the servers are held to what they had said. Exits with 1 when something that
 * was told is not so. On a PostgreSQL of its own; `--rounds N` (200) with a kill, `--restarts N` (10) of the database,
 * `--freezes N` (3) of ten seconds.
 */
import { parseArgs } from 'node:util'
import { execute, run } from './command.ts'
import { runRounds } from './crash/rounds.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    restarts: { type: 'string', default: '10' },
    freezes: { type: 'string', default: '3' },
  },
})

await execute(async () => {
  const { violations, ...summary } = await runRounds(run, {
    kills: Number(values.rounds),
    restarts: Number(values.restarts),
    freezes: Number(values.freezes),
  })
  process.stdout.write(`${JSON.stringify({ ...summary, violations: violations.length })}\n`)
  for (const violation of violations.slice(0, 20)) process.stdout.write(`${violation}\n`)
  if (violations.length > 0) process.exitCode = 1
})
