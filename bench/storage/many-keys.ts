import { sql } from 'drizzle-orm'
import { bearerOf } from '../cases/checks.ts'
import { medianTimes, type Times } from '../figures.ts'
import { insertApiKeys } from '../gatehouse/fresh-credentials.ts'
import { type Gatehouse, startGatehouse } from '../gatehouse/gatehouse.ts'
import { makePlace } from '../gatehouse/place.ts'
import { makeWorld } from '../gatehouse/world.ts'
import { wrongAnswers } from '../load/load.ts'
import type { Loader } from '../load/loader.ts'
import type { Progress } from '../output/progress.ts'

/** How long an API key that was never seen takes to check, in milliseconds, among so many. */
export interface AmongKeys extends Times {
  readonly keys: number
}

/** All of them are presented, each once, since a key that was seen is checked without the database. */
const FEW = 10_000
const FILL_AT_ONCE = 250_000
/** A time is the median of so many parts: the machine is shared. */
const PARTS = 7
/** Before the optimizing compiler has seen a check often enough, it and not the database makes the slowest. */
const WARM_UP_PARTS = 3
/** Few, so that a time is that of a check and not of waiting for others. */
const CONNECTIONS = 2

interface Site {
  readonly keys: number
  readonly gatehouse: Gatehouse
  readonly presented: readonly { secret: string }[]
  close(): Promise<void>
}

/**
 * Checks API keys that were never seen among ten thousand and among many more: in two databases, by a new process each,
 * in turns, so that what the machine does meanwhile befalls both.
 */
export async function measureManyKeys(
  loader: Loader,
  { databaseUrl, keys }: { databaseUrl: string; keys: number },
  progress: Progress,
): Promise<AmongKeys[]> {
  const sites: Site[] = []
  try {
    for (const wanted of [FEW, keys]) sites.push(await makeSite(databaseUrl, wanted, progress))
    const measured = sites.map((site) => ({ site, parts: [] as Times[] }))
    const atOnce = FEW / (WARM_UP_PARTS + PARTS)
    for (let from = 0; from < FEW; from += atOnce) {
      for (const { site, parts } of measured) {
        progress.tell(`checking keys among ${site.keys.toLocaleString('en')}`)
        const times = await check(loader, site.gatehouse, site.presented.slice(from, from + atOnce))
        if (from >= WARM_UP_PARTS * atOnce) parts.push(times)
      }
    }
    progress.end()
    return measured.map(({ site, parts }) => ({ keys: site.keys, ...medianTimes(parts) }))
  } finally {
    for (const site of sites) await site.close()
  }
}

async function makeSite(databaseUrl: string, keys: number, progress: Progress): Promise<Site> {
  const place = await makePlace(databaseUrl)
  const gatehouse = await startGatehouse(place)
  const close = async () => {
    await gatehouse.stop()
    await place.drop()
  }
  try {
    const owner = bearerOf(await makeWorld(gatehouse))
    // Before the others, so that they do not lie in memory because they came last.
    const presented = await insertApiKeys(gatehouse, owner, FEW)
    await fill(gatehouse, owner.id, keys, progress)
    return { keys, gatehouse, presented, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Without the indexes, and then they are made: in a quarter of the time. */
async function fill({ db }: Gatehouse, accountId: string, wanted: number, progress: Progress): Promise<void> {
  const indexes = await db.execute<{ name: string; definition: string }>(sql`
    select indexname as name, indexdef as definition from pg_indexes
    where tablename = 'api_keys' and indexname <> 'api_keys_pkey'`)
  for (const { name } of indexes) await db.execute(sql`drop index ${sql.identifier(name)}`)
  for (let there = await db.$count(sql`api_keys`); there < wanted; there += FILL_AT_ONCE) {
    progress.tell(`filling up ${there.toLocaleString('en')} API keys to ${wanted.toLocaleString('en')}`)
    await db.execute(sql`
      insert into api_keys (id, account_id, name, digest, prefix, scope, expires_at)
      select gen_random_uuid(), ${accountId}::uuid, 'filler', sha256(gen_random_uuid()::text::bytea),
        'gk_live_filler', array['profile:read'], now() + interval '90 days'
      from generate_series(1, ${Math.min(FILL_AT_ONCE, wanted - there)}::integer)`)
  }
  progress.tell('making their indexes')
  for (const { definition } of indexes) await db.execute(sql.raw(definition))
  await db.execute(sql`vacuum analyze api_keys`)
  // Else the database is still writing down what was filled in, minutes long, while the keys are checked.
  await db.execute(sql`checkpoint`)
}

async function check(loader: Loader, { url }: Gatehouse, presented: readonly { secret: string }[]): Promise<Times> {
  const result = await loader.run({
    url,
    path: '/api/me',
    variants: presented.map(({ secret }) => ({ headers: { 'x-api-key': secret } })),
    once: true,
    seconds: 120,
    connections: CONNECTIONS,
  })
  if (wrongAnswers(result) > 0) throw new Error(`good keys were refused: ${JSON.stringify(result.statuses)}`)
  return { p50: result.p50, p99: result.p99 }
}
