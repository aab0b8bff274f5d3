const DAY_MS = 24 * 60 * 60 * 1000
/** Clocks that differ, and a process that hears late that another key signs. */
const MARGIN_MS = 15 * 60 * 1000

/** One key, one purpose, one algorithm (RFC 8725 3.1): provider tokens, first-party JWTs and checkpoints never share one. */
export type Purpose = 'authorization_server' | 'first_party' | 'audit'
export type SigningAlg = 'ES256' | 'RS256'
export type Wanted = { readonly purpose: Purpose; readonly alg: SigningAlg }

/** What there is a next and a current key for. */
export const WANTED: readonly Wanted[] = [
  { purpose: 'authorization_server', alg: 'ES256' },
  { purpose: 'authorization_server', alg: 'RS256' },
  { purpose: 'first_party', alg: 'ES256' },
  { purpose: 'audit', alg: 'ES256' },
]

/** When a key came into its states. */
export interface KeyStates extends Wanted {
  readonly kid: string
  /** Since when it is published. */
  readonly createdAt: Date
  /** Since when it signs; until then it is the next one. */
  readonly activatedAt: Date | undefined
  /** Since when it does not sign any more. */
  readonly retiredAt: Date | undefined
}

/** How long keys are what, in milliseconds. */
export interface KeySchedule {
  /** How long a key signs. */
  readonly signMs: number
  /** How long it is published before, at least. */
  readonly aheadMs: number
  /** How long a retired one is kept, at least. */
  readonly keptMs: Readonly<Record<Purpose, number>>
  /** How often every process looks whether something is due. */
  readonly tickMs: number
}

/** What a rotation does, in this order. */
export interface RotationPlan {
  readonly retire: string[]
  readonly delete: string[]
  readonly activate: string[]
  readonly create: (Wanted & { readonly signs: boolean })[]
}

/**
 * @param days how long a key signs
 * @param lastUse how long after its issue the last thing a key signed may be of use, in seconds; what the audit's
 *   keys signed always is, while it is kept
 */
export function createSchedule(days: number, lastUse: Record<Exclude<Purpose, 'audit'>, number>): KeySchedule {
  const signMs = days * DAY_MS
  const aheadMs = aheadOf(days)
  return {
    signMs,
    aheadMs,
    keptMs: {
      authorization_server: lastUse.authorization_server * 1000 + MARGIN_MS,
      first_party: lastUse.first_party * 1000 + MARGIN_MS,
      audit: DAY_MS,
    },
    tickMs: Math.min(60_000, aheadMs / 10),
  }
}

/**
 * Seconds for which a verifier may keep the published keys: a small part of the time a key is published before it
 * signs, and no more than a compromised key may go on being trusted after it is gone.
 */
export function jwksMaxAge(days: number): number {
  return Math.max(1, Math.floor(Math.min(300_000, aheadOf(days) / 4) / 1000))
}

/** 7 days of 30. */
const aheadOf = (days: number) => (days * DAY_MS * 7) / 30

export const isNext = ({ activatedAt }: KeyStates) => activatedAt === undefined
export const isCurrent = ({ activatedAt, retiredAt }: KeyStates) => activatedAt !== undefined && retiredAt === undefined
export const isRetired = ({ retiredAt }: KeyStates) => retiredAt !== undefined

/** The state of a key. */
export function stateOf(key: KeyStates): 'next' | 'current' | 'retired' {
  if (isNext(key)) return 'next'
  return isCurrent(key) ? 'current' : 'retired'
}

/**
 * From when on every verifier knows the keys that sign, also one that keeps the published ones for as long as it may.
 * @param maxAge that time, in seconds
 */
export function knownAt(keys: readonly KeyStates[], maxAge: number): Date {
  const newest = Math.max(...keys.filter(isCurrent).map(({ createdAt }) => createdAt.getTime()))
  return new Date(newest + maxAge * 1000)
}

/**
 * What is to be done so that each current key that is due gives way to the next one, there is one of both for each
 * purpose and algorithm, and those that are over are gone. Without a next one a new key has to sign at once.
 */
export function planRotation(
  keys: readonly KeyStates[],
  isDue: (current: KeyStates, next: KeyStates | undefined) => boolean,
  isOver: (key: KeyStates) => boolean,
): RotationPlan {
  const plan: RotationPlan = { retire: [], delete: [], activate: [], create: [] }
  for (const wanted of WANTED) {
    const own = keys.filter(({ purpose, alg }) => purpose === wanted.purpose && alg === wanted.alg)
    const current = own.find((key) => isCurrent(key) && !isOver(key))
    const next = own.find((key) => isNext(key) && !isOver(key))
    const stays = current !== undefined && !isDue(current, next)
    if (!stays) {
      if (current !== undefined) plan.retire.push(current.kid)
      if (next === undefined) plan.create.push({ ...wanted, signs: true })
      else plan.activate.push(next.kid)
    }
    if (!stays || next === undefined) plan.create.push({ ...wanted, signs: false })
  }
  plan.delete.push(...keys.filter(isOver).map(({ kid }) => kid))
  return plan
}

/** What the schedule asks for. A key that is still needed for something else it signed does not go. */
export function planSchedule(
  keys: readonly KeyStates[],
  schedule: KeySchedule,
  now: Date,
  needed: ReadonlySet<string>,
): RotationPlan {
  return planRotation(
    keys,
    (current, next) =>
      hasPassed(current.activatedAt, schedule.signMs, now) && hasPassed(next?.createdAt, schedule.aheadMs, now),
    (key) => isOutdated(key, schedule, now) && !needed.has(key.kid),
  )
}

/** Whether a key is retired for so long that no token it signed is of use. */
function isOutdated({ purpose, retiredAt }: KeyStates, { keptMs }: KeySchedule, now: Date): boolean {
  return hasPassed(retiredAt, keptMs[purpose], now)
}

const hasPassed = (since: Date | undefined, ms: number, now: Date) =>
  since !== undefined && since.getTime() + ms <= now.getTime()
