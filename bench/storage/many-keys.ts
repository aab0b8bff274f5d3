import { sql } from 'drizzle-orm'
import { bearerOf } from '../cases/checks.ts'
import { medianTimes, type Times } from '../figures.ts'
import { insertApiKeys } from '../gatehouse/fresh-credentials.ts'
import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import type { World } from '../gatehouse/world.ts'
import { wrongAnswers } from '../load/load.ts'
import type { Loader } from '../load/loader.ts'
import type { Progress } from '../output/progress.ts'

/** How long an API key that was never seen takes to check, in milliseconds, among so many. */
export interface AmongKeys extends Times {
  readonly keys: number
}

const FEW = 10_000
const FILL_AT_ONCE = 250_000
const PRESENTED = 5_000
/** A time is the median of so many parts: the machine is shared. */
const PARTS = 5
const WARM_UP = 1_000
/** Few, so that a time is that of a check and not of waiting for others. */
const CONNECTIONS = 2

/** Checks API keys that were never seen among ten thousand, then among many more, each key once. */
export async function measureManyKeys(
  gatehouse: Gatehouse,
  loader: Loader,
  { world, keys }: { world: World; keys: number },
  progress: Progress,
): Promise<AmongKeys[]> {
  const { db } = gatehouse
  const owner = bearerOf(world)
  const results: AmongKeys[] = []
  for (const wanted of [FEW, keys]) {
    // Before the others, so that they do not lie in memory because they came last.
    const presented = await insertApiKeys(gatehouse, owner, WARM_UP + PRESENTED)
    await fill(wanted)
    await check(presented.slice(0, WARM_UP))
    const parts: Times[] = []
    for (let part = 0; part < PARTS; part += 1) {
      const from = WARM_UP + (part * PRESENTED) / PARTS
      parts.push(await check(presented.slice(from, from + PRESENTED / PARTS)))
    }
    results.push({ keys: wanted, ...medianTimes(parts) })
  }
  progress.end()
  return results

  async function fill(wanted: number): Promise<void> {
    for (let there = await db.$count(sql`api_keys`); there < wanted; there += FILL_AT_ONCE) {
      progress.tell(`filling up ${there.toLocaleString('en')} API keys to ${wanted.toLocaleString('en')}`)
      await db.execute(sql`
        insert into api_keys (id, account_id, name, digest, prefix, scope, expires_at)
        select gen_random_uuid(), ${owner.id}::uuid, 'filler', sha256(gen_random_uuid()::text::bytea),
          'gk_live_filler', array['profile:read'], now() + interval '90 days'
        from generate_series(1, ${Math.min(FILL_AT_ONCE, wanted - there)}::integer)`)
    }
    await db.execute(sql`vacuum analyze api_keys`)
    // Else the database is still writing down what was filled in, minutes long, while the keys are checked.
    await db.execute(sql`checkpoint`)
  }

  async function check(presented: readonly { secret: string }[]): Promise<Times> {
    progress.tell(`checking ${presented.length} keys`)
    const result = await loader.run({
      url: gatehouse.url,
      path: '/api/me',
      variants: presented.map(({ secret }) => ({ headers: { 'x-api-key': secret } })),
      once: true,
      seconds: 120,
      connections: CONNECTIONS,
    })
    if (wrongAnswers(result) > 0) throw new Error(`good keys were refused: ${JSON.stringify(result.statuses)}`)
    return { p50: result.p50, p99: result.p99 }
  }
}
