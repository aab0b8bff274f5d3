import { setTimeout as delay } from 'node:timers/promises'
import { insertApiKeys } from './gatehouse/fresh-credentials.ts'
import { type Gatehouse, startBeside } from './gatehouse/gatehouse.ts'
import { basic, bearer, json } from './gatehouse/http.ts'
import type { Place } from './gatehouse/place.ts'
import { machineToken, type Person, signIn, type World } from './gatehouse/world.ts'
import { createLatencies } from './load/latencies.ts'
import type { Progress } from './output/progress.ts'

/** How long revocations took to reach one process, in milliseconds. */
export interface Revocations {
  readonly where: 'the process that revoked' | 'another process'
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
  /** Requests that were sent after the answer to the revocation, and let in. */
  readonly acceptedAfter: number
}

/** A credential and how to revoke it. */
interface Revocable {
  readonly headers: Record<string, string>
  revoke(): Promise<Response>
}

const PATIENCE_MS = 10_000
/** The second where the measurements before have presented too much that nobody was given. */
const REFUSED = new Set([401, 429])

/**
 * Revokes API keys, sessions and access tokens in turn while they are in use, and measures how long each
 * process still lets them in. A second process is only there on a PostgreSQL.
 */
export async function measureRevocations(
  gatehouse: Gatehouse,
  { world, place, count }: { world: World; place: Place; count: number },
  progress: Progress,
): Promise<Revocations[]> {
  const beside = place.url === undefined ? undefined : await startBeside(gatehouse)
  const processes = [
    { where: 'the process that revoked' as const, url: gatehouse.url },
    ...(beside === undefined ? [] : [{ where: 'another process' as const, url: beside.url }]),
  ].map((process) => ({ ...process, latencies: createLatencies(), acceptedAfter: 0 }))
  const makers = await revocables(gatehouse, world, Math.ceil(count / 3))

  for (let index = 0; index < count; index += 1) {
    if (index % 20 === 0) progress.tell(`revocation ${index + 1}/${count}`)
    const { headers, revoke } = await (makers[index % makers.length] as () => Promise<Revocable>)()
    const revokedAt = Promise.withResolvers<number>()
    const refusals = processes.map(async (process) => {
      const refused = await untilRefused(process.url, headers, revokedAt.promise)
      process.latencies.add(refused.milliseconds)
      process.acceptedAfter += refused.acceptedAfter
    })
    await delay(20)
    const answer = await revoke()
    if (!answer.ok) throw new Error(`revoking failed: ${answer.status}`)
    revokedAt.resolve(performance.now())
    await Promise.all(refusals)
  }
  progress.end()
  await beside?.stop()
  return processes.map(({ where, latencies, acceptedAfter }) => ({
    where,
    count: latencies.count,
    p50: latencies.quantile(0.5),
    p99: latencies.quantile(0.99),
    worst: latencies.quantile(1),
    acceptedAfter,
  }))
}

/** Uses a credential over and over until it is refused; the time counts from its revocation. */
async function untilRefused(url: string, headers: Record<string, string>, revoked: Promise<number>) {
  let revokedAt = Number.POSITIVE_INFINITY
  revoked.then((at) => {
    revokedAt = at
  })
  let acceptedAfter = 0
  for (;;) {
    const sentAt = performance.now()
    const { status } = await fetch(`${url}/api/me`, { headers })
    if (REFUSED.has(status)) return { milliseconds: Math.max(0, performance.now() - (await revoked)), acceptedAfter }
    if (status !== 200) throw new Error(`/api/me answered ${status}`)
    if (sentAt > revokedAt) acceptedAfter += 1
    if (sentAt > revokedAt + PATIENCE_MS) throw new Error('a revoked credential is still good')
  }
}

async function revocables(gatehouse: Gatehouse, world: World, count: number): Promise<(() => Promise<Revocable>)[]> {
  const { url } = gatehouse
  const person = world.people[0] as Person
  const owner = bearer((await signIn(gatehouse, person)).accessToken)
  const keys = await insertApiKeys(gatehouse, person, count)
  const post = (path: string, init: RequestInit) => fetch(`${url}${path}`, { method: 'POST', ...init })
  const used = async (revocable: Revocable) => {
    await json(fetch(`${url}/api/me`, { headers: revocable.headers }))
    return revocable
  }
  return [
    async () => {
      const { id, secret } = keys.pop() ?? { id: '', secret: '' }
      const revoke = () => fetch(`${url}/api/keys/${id}`, { method: 'DELETE', headers: owner })
      return used({ headers: { 'x-api-key': secret }, revoke })
    },
    async () => {
      const headers = bearer((await signIn(gatehouse, person)).accessToken)
      return used({ headers, revoke: () => post('/api/auth/logout', { headers }) })
    },
    async () => {
      const token = await machineToken(gatehouse, world, 'jwt')
      const body = new URLSearchParams({ token })
      return used({
        headers: bearer(token),
        revoke: () => post('/oauth/revoke', { headers: basic(world.machine), body }),
      })
    },
  ]
}
