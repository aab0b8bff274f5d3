import { makeCases } from '../cases/cases.ts'
import { startGatehouse } from '../gatehouse/gatehouse.ts'
import { makePlace } from '../gatehouse/place.ts'
import { makeWorld } from '../gatehouse/world.ts'
import { wrongAnswers, wrongAnswersBy } from '../load/load.ts'
import type { Loader } from '../load/loader.ts'
import type { Progress } from '../output/progress.ts'
import { RATE } from './clock-rate.ts'

/** What a day under load left in memory and in the database. */
export interface Day {
  readonly hours: number
  readonly requests: number
  /** Answers that were not the right ones. */
  readonly wrong: number
  /** Which they were: how many, by case and status. */
  readonly wrongBy: Readonly<Record<string, number>>
  /** Resident bytes: at the most in the second minute, and in the last. */
  readonly early: number
  readonly late: number
  /** Rows of the models of oidc-provider and of refresh tokens: at the most in the second minute, and in the last. */
  readonly earlyRows: number
  readonly lateRows: number
}

const FAST_CLOCK = ['--import', './bench/storage/fast-clock.ts']
const CONNECTIONS = 8
/** Short enough for a JWT of five minutes, which are two seconds here. */
const SLICE_SECONDS = 1

/** Everything that leaves something behind, and the checks of what lives longer than a slice. */
const CASES = [
  ...['sign-in', 'first-party-refresh', 'refresh', 'client-credentials-jwt', 'client-credentials-opaque'],
  ...['first-party-jwt', 'access-token', 'access-token-opaque', 'api-key', 'api-key-cold', 'unknown-token'],
]

/** Runs a server whose clock is fast under a steady load of everything, for so many minutes. */
export async function measureDay(
  loader: Loader,
  { databaseUrl, minutes }: { databaseUrl: string; minutes: number },
  progress: Progress,
): Promise<Day> {
  const place = await makePlace(databaseUrl)
  const gatehouse = await startGatehouse(place, FAST_CLOCK)
  try {
    const world = await makeWorld(gatehouse)
    const cases = (await makeCases(gatehouse, world, place)).filter(({ name }) => CASES.includes(name))
    const startedAt = performance.now()
    const elapsed = () => (performance.now() - startedAt) / 60_000
    const samples: { minute: number; rss: number; rows: number }[] = []
    let requests = 0
    let wrong = 0
    const wrongBy: Record<string, number> = {}

    while (elapsed() < minutes) {
      for (const { name, load, keep } of cases) {
        progress.tell(`hour ${((elapsed() * RATE) / 60).toFixed(1)} of a day: ${name}`)
        const order = await load(SLICE_SECONDS)
        const target = { url: gatehouse.url, seconds: SLICE_SECONDS, connections: CONNECTIONS }
        const result = await loader.run({ ...target, ...order })
        if (order.chain !== undefined) keep?.(result.tokens)
        requests += result.requests
        wrong += wrongAnswers(result, order.expected)
        for (const [what, count] of wrongAnswersBy(result, order.expected)) {
          wrongBy[`${name} ${what}`] = (wrongBy[`${name} ${what}`] ?? 0) + count
        }
      }
      const { rss } = await gatehouse.process.usage()
      samples.push({ minute: elapsed(), rss, rows: await countRows() })
    }
    progress.end()
    const most = (name: 'rss' | 'rows', from: number, to: number) =>
      Math.max(...samples.filter(({ minute }) => minute > from && minute <= to).map((sample) => sample[name]))
    return {
      hours: (minutes * RATE) / 60,
      requests,
      wrong,
      wrongBy,
      early: most('rss', 1, 2),
      late: most('rss', minutes - 1, Number.POSITIVE_INFINITY),
      earlyRows: most('rows', 1, 2),
      lateRows: most('rows', minutes - 1, Number.POSITIVE_INFINITY),
    }
  } finally {
    await gatehouse.stop()
    await place.drop()
  }

  async function countRows(): Promise<number> {
    const [row] = await gatehouse.db.execute<{ rows: number }>(
      `select (select count(*) from provider_models) + (select count(*) from first_party_refresh_tokens) as rows`,
    )
    return Number(row?.rows)
  }
}
