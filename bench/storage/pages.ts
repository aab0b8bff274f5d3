import { type SQL, sql } from 'drizzle-orm'
import { toCursor } from '../../src/admin/page.ts'
import { medianTimes, type Times } from '../figures.ts'
import { command } from '../gatehouse/command-line.ts'
import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import { basic, bearer, json, postForm } from '../gatehouse/http.ts'
import type { World } from '../gatehouse/world.ts'
import { wrongAnswers } from '../load/load.ts'
import type { Loader } from '../load/loader.ts'
import type { Progress } from '../output/progress.ts'
import { fill } from './page-rows.ts'

/** A list of the admin API: its first page, and one far from it. */
export interface ListedPages {
  readonly list: string
  readonly first: Times
  readonly far: Times
}

/** What was listed, and how. */
export interface Pages {
  readonly rows: number
  readonly pageSize: number
  /** The number of the far page. */
  readonly farPage: number
  readonly lists: readonly ListedPages[]
}

interface List {
  readonly path: string
  /** Its rows in their order, as `created_at` and `id`. */
  readonly rows: SQL
}

const PAGE_SIZE = 100
const ROUNDS = 5
const PAGES_A_ROUND = 200
/** Pages of the end that are left, so that the far page is a full one. */
const TAIL = 5

/** Lists a million of each, the first page and one of the last in turn, by one caller after the other. */
export async function measurePages(
  gatehouse: Gatehouse,
  loader: Loader,
  { world, rows }: { world: World; rows: number },
  progress: Progress,
): Promise<Pages> {
  const { db, url } = gatehouse
  const headers = bearer(await administratorToken(gatehouse))
  await fill(gatehouse, world, rows + TAIL * PAGE_SIZE, progress)
  const farPage = Math.max(2, Math.floor(rows / PAGE_SIZE))

  const lists: ListedPages[] = []
  for (const list of listsOf(world)) {
    const first = `${list.path}${list.path.includes('?') ? '&' : '?'}limit=${PAGE_SIZE}`
    const far = `${first}&cursor=${await cursorBefore(list)}`
    for (const path of [first, far]) await requireFull(path)
    const times = { first: [] as Times[], far: [] as Times[] }
    for (let round = 0; round < ROUNDS; round += 1) {
      progress.tell(`${list.path}: round ${round + 1} of ${ROUNDS}`)
      times.first.push(await time(first))
      times.far.push(await time(far))
    }
    lists.push({ list: list.path, first: medianTimes(times.first), far: medianTimes(times.far) })
  }
  progress.end()
  return { rows, pageSize: PAGE_SIZE, farPage, lists }

  async function cursorBefore({ rows }: List): Promise<string> {
    const offset = (farPage - 1) * PAGE_SIZE - 1
    const [last] = await db.execute<{ at: string; id: string }>(
      sql`select (extract(epoch from at) * 1000)::bigint::text as at, id from (${rows}) as listed offset ${offset}::integer limit 1`,
    )
    return toCursor({ createdAt: new Date(Number(last?.at)), id: String(last?.id) })
  }

  async function requireFull(path: string): Promise<void> {
    const page = await json<Record<string, unknown>>(fetch(`${url}${path}`, { headers }))
    const items = Object.values(page).find(Array.isArray)
    if (items?.length !== PAGE_SIZE) throw new Error(`${path} has ${items?.length} items`)
  }

  async function time(path: string): Promise<Times> {
    const result = await loader.run({ url, path, headers, seconds: 120, connections: 1, amount: PAGES_A_ROUND })
    if (wrongAnswers(result) > 0) throw new Error(`${path}: ${JSON.stringify(result.statuses)}`)
    return result
  }
}

function listsOf({ people, web }: World): readonly List[] {
  const accounts = sql`select created_at as at, id from accounts order by created_at, id`
  const keys = sql`select created_at as at, id from api_keys order by created_at, id`
  const grants = sql`
    select expires_at as at, grant_id as id from provider_models
    where model = 'Grant' and expires_at > now() order by expires_at, grant_id`
  const events = sql`select at, id from audit_events order by at desc, id desc`
  const [owner] = people
  return [
    { path: '/api/admin/accounts', rows: accounts },
    { path: '/api/admin/clients', rows: sql`select created_at as at, id from clients order by created_at, id` },
    { path: '/api/admin/api-keys', rows: keys },
    { path: `/api/admin/api-keys?accountId=${owner?.id}`, rows: keys },
    { path: '/api/admin/grants', rows: grants },
    { path: `/api/admin/grants?clientId=${web.id}`, rows: grants },
    { path: '/api/admin/audit', rows: events },
    {
      path: '/api/admin/audit?type=token.issue',
      rows: sql`select at, id from audit_events where type = 'token.issue' order by at desc, id desc`,
    },
  ]
}

async function administratorToken({ url, env }: Gatehouse): Promise<string> {
  const words = ['--name', 'Administrator', '--type', 'machine', '--role', 'admin', '--scope', 'admin:read']
  const made = await command<{ client_id: string; client_secret: string }>(env, 'clients', 'create', ...words)
  const asked = { grant_type: 'client_credentials', scope: 'admin:read' }
  const client = basic({ id: made.client_id, secret: made.client_secret })
  return (await postForm<{ access_token: string }>(`${url}/oauth/token`, asked, client)).access_token
}
