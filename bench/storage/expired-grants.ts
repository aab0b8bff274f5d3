import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import { basic, FORM } from '../gatehouse/http.ts'
import { clientCredentials, type World } from '../gatehouse/world.ts'
import { type LoadResult, wrongAnswers } from '../load/load.ts'
import type { Loader } from '../load/loader.ts'
import type { Progress } from '../output/progress.ts'

/** How a load of expired grants left. */
export interface ExpiredGrants {
  readonly grants: number
  /** Bytes of the table with its indexes. */
  readonly restingSize: number
  readonly peakSize: number
  readonly finalSize: number
  /** What of it the tokens take that were issued meanwhile and have not expired. */
  readonly tokensSize: number
  /** Seconds from their arrival until the last was deleted, and until the table was back within a tenth of its size with those tokens. */
  readonly goneAfter: number | undefined
  readonly backAfter: number | undefined
  /** Milliseconds of the issue of a token, before and while they left. */
  readonly p99Before: number
  readonly p99During: number
}

const AT_ONCE = 100_000
const PATIENCE_SECONDS = 600
const SLICE_SECONDS = 10
const CONNECTIONS = 4

/** Loads grants that have expired, and issues tokens while the server deletes them. */
export async function measureExpiredGrants(
  { db, url }: Gatehouse,
  loader: Loader,
  { world, grants }: { world: World; grants: number },
  progress: Progress,
): Promise<ExpiredGrants> {
  await db.execute(sql`vacuum full analyze provider_models`)
  const restingSize = await size()
  let issued = await issue().then(({ requests }) => requests)
  const { p99: p99Before, requests } = await issue()
  issued += requests
  const bytesOfToken = ((await size()) - restingSize) / issued
  for (let loaded = 0; loaded < grants; loaded += AT_ONCE) {
    progress.tell(`loading expired grants: ${loaded.toLocaleString('en')}`)
    await load(Math.min(AT_ONCE, grants - loaded))
  }
  const arrivedAt = performance.now()
  const elapsed = () => Math.round((performance.now() - arrivedAt) / 1000)
  const peakSize = await size()
  const during: number[] = []
  let goneAfter: number | undefined
  let backAfter: number | undefined
  while (backAfter === undefined && elapsed() < PATIENCE_SECONDS) {
    progress.tell(`${elapsed()} s after: ${await left()} expired grants left`)
    if (goneAfter === undefined) {
      const { p99, requests } = await issue()
      during.push(p99)
      issued += requests
    } else await delay(1_000)
    if (goneAfter === undefined && (await left()) === 0) goneAfter = elapsed()
    if (goneAfter !== undefined && (await size()) <= 1.1 * (restingSize + issued * bytesOfToken)) backAfter = elapsed()
  }
  progress.end()
  const finalSize = await size()
  const tokensSize = issued * bytesOfToken
  const p99During = Math.max(...during)
  return { grants, restingSize, peakSize, finalSize, tokensSize, goneAfter, backAfter, p99Before, p99During }

  async function size(): Promise<number> {
    const [row] = await db.execute<{ size: string }>(sql`select pg_total_relation_size('provider_models') as size`)
    return Number(row?.size)
  }

  function left(): Promise<number> {
    return db.$count(sql`provider_models`, sql`model = 'Grant' and expires_at < now()`)
  }

  async function load(count: number): Promise<void> {
    await db.execute(sql`
      insert into provider_models (model, id, payload, grant_id, account_id, client_id, expires_at)
      select 'Grant', encode(sha256(id::text::bytea), 'base64'),
        json_build_object('iat', 1, 'exp', 2, 'accountId', id, 'clientId', ${world.web.id}::text, 'kind', 'Grant',
          'openid', json_build_object('scope', 'openid email offline_access')),
        id::text, gen_random_uuid()::text, ${world.web.id}::text, now() - random() * interval '1 hour'
      from (select gen_random_uuid() as id from generate_series(1, ${count}::integer)) as made`)
  }

  /** Client credentials with an opaque token, which writes to the table that the grants leave. */
  async function issue(): Promise<LoadResult> {
    const result = await loader.run({
      url,
      path: '/oauth/token',
      method: 'POST',
      headers: { ...FORM, ...basic(world.machine) },
      body: String(new URLSearchParams(clientCredentials('opaque'))),
      seconds: SLICE_SECONDS,
      connections: CONNECTIONS,
    })
    if (wrongAnswers(result) > 0) throw new Error(`no token: ${JSON.stringify(result.statuses)}`)
    return result
  }
}
