import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../../test/fixtures/eventually.ts'
import { runCli } from '../../test/fixtures/processes.ts'
import { audit } from './audit.ts'
import type { Actor } from './chain.ts'
import { openSite, type Site } from './site.ts'
import { createTold, type Told } from './told.ts'

/** How soon after the database is back everything is as before. */
const RECOVERY_MS = 5_000
const FROZEN_MS = 10_000
/** Everything is as before when nobody was turned away for so long. */
const SETTLED_MS = 1_000

export interface Rounds {
  /** Rounds in which servers are killed. */
  readonly kills: number
  /** Rounds in which the database crashes and is started again. */
  readonly restarts: number
  /** Rounds in which the database is frozen for ten seconds. */
  readonly freezes: number
}

/** Has clients work while what they depend on crashes, and after each crash holds the servers to what was said. */
export async function runRounds(run: { teardown(task: () => unknown): void }, rounds: Rounds) {
  const startedAt = performance.now()
  const told = createTold()
  const site = await openSite(run, told)
  await audit(site.actors, site.ask, site.db, told)
  const slowest = { recoveryMs: 0, connections: 0 }
  const measure = async () => {
    const { count, most } = await site.connections()
    slowest.connections = Math.max(slowest.connections, count)
    return { count, most }
  }

  let done = 0
  for (const disturb of shuffled(rounds, site, told)) {
    const stop = work(site.actors, told)
    await delay(200 + Math.random() * 600)
    slowest.recoveryMs = Math.max(slowest.recoveryMs, await disturb(measure))
    await stop()
    await audit(site.actors, site.ask, site.db, told)
    await site.fill()
    const { count, most } = await eventually(measure, (each) => each.count <= each.most, RECOVERY_MS)
    done += 1
    if (done % 20 === 0)
      process.stderr.write(`${new Date().toISOString()} after ${done} rounds: ${JSON.stringify(told.counts)}\n`)
    if (count > most) told.violation(`${count} connections to the database where ${most} are the most`)
  }
  await audit(site.actors, site.ask, site.db, told)
  const events = await verifyAudit(site, told)
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  const { violations, counts } = told
  return { seconds, rounds, counts, events, slowest, violations }
}

type Measure = () => Promise<unknown>
type Disturb = (measure: Measure) => Promise<number>

/** In an order that nobody knows: what happens in the middle of each round, and how long the recovery took. */
function shuffled({ kills, restarts, freezes }: Rounds, site: Site, told: Told): Disturb[] {
  const of = (count: number, disturb: Disturb) => Array.from({ length: count }, () => disturb)
  const crash = async () => {
    await site.cluster.stop('immediate')
    await delay(Math.random() * 1_000)
    await site.cluster.start()
  }
  const freeze = async () => {
    site.cluster.freeze()
    await delay(FROZEN_MS)
    site.cluster.thaw()
  }
  return [
    ...of(kills, () => kill(site)),
    ...of(restarts, (measure) => withoutDatabase(site, told, crash, measure)),
    ...of(freezes, (measure) => withoutDatabase(site, told, freeze, measure)),
  ]
    .map((disturb) => ({ disturb, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ disturb }) => disturb)
}

/** Now one server, so that the other goes on, now all of them, so that new ones do. */
async function kill(site: Site): Promise<number> {
  const victims = [...site.processes].slice(0, Math.random() < 0.75 ? 1 : undefined)
  await site.kill(victims)
  if (site.processes.size === 0) await site.fill()
  else await delay(Math.random() * 300)
  return 0
}

/** Returns when the last request was turned away, in milliseconds after the database was back. */
async function withoutDatabase(
  site: Site,
  told: Told,
  disturb: () => Promise<void>,
  measure: Measure,
): Promise<number> {
  told.awayUntil = Number.POSITIVE_INFINITY
  await disturb()
  const backAt = performance.now()
  told.awayUntil = backAt + RECOVERY_MS
  const isSettled = async () => {
    await measure().catch(() => {})
    const isReady = (await site.ask('/readyz'))?.status === 200
    return isReady && performance.now() - Math.max(backAt, told.unavailableAt) > SETTLED_MS
  }
  const settled = await eventually(isSettled, (is) => is, RECOVERY_MS + SETTLED_MS)
  if (!settled) told.violation('the servers have not recovered 5 seconds later')
  return Math.max(0, Math.round(told.unavailableAt - backAt))
}

/** Has everybody act, one thing after another each, until told to stop. */
function work(actors: readonly Actor[], told: Told): () => Promise<unknown> {
  let isOver = false
  const acting = actors.map(async (actor) => {
    while (!isOver) {
      await actor.act().catch((error: unknown) => told.violation(`${actor.name}: ${error}`))
      // Not all the time: a busy machine would crash at the same moments only.
      await delay(Math.random() * 20)
    }
  })
  return () => {
    isOver = true
    return Promise.all(acting)
  }
}

/** The chain of the audit is whole, also where a notary was killed. Returns how many events there are. */
async function verifyAudit({ env }: Site, told: Told): Promise<number> {
  const { code, stdout, stderr } = await runCli(['audit', 'verify', '--json'], env)
  if (code !== 0) told.violation(`audit verify: ${stdout}${stderr}`)
  return code === 0 ? (JSON.parse(stdout) as { events: number }).events : 0
}
