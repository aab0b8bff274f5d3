/** A credential that a client was given, with how to present it and until when it is good. */
export interface Held {
  readonly kind: string
  readonly headers: Readonly<Record<string, string>>
  readonly until: number
}

/** What clients were told, and what was found not to be so. */
export interface Told {
  readonly violations: string[]
  readonly counts: Record<
    'requests' | 'unanswered' | 'unavailable' | 'issued' | 'revoked' | 'doubts' | 'checked',
    number
  >
  /** Until when 503 with `Retry-After` is a right answer: the database is away, or has come back a moment ago. */
  awayUntil: number
  /** Whether it is one to a request that was sent then, and is answered now. */
  mayBeUnavailable(sentAt: number): boolean
  /** When that was the answer last. */
  unavailableAt: number
  violation(text: string): void
}

export function createTold(): Told {
  const counts = { requests: 0, unanswered: 0, unavailable: 0, issued: 0, revoked: 0, doubts: 0, checked: 0 }
  const violations: string[] = []
  return {
    violations,
    counts,
    awayUntil: 0,
    unavailableAt: 0,
    mayBeUnavailable(sentAt) {
      return sentAt < this.awayUntil
    },
    violation(text) {
      violations.push(text)
      process.stderr.write(`${new Date().toISOString()} ${text}\n`)
    },
  }
}

/** How many of each a client keeps, to be checked after every crash. */
const MOST = 12

/** What one client was told of its credentials: which are good, and which it has revoked. */
export class Purse {
  good: Held[] = []
  revoked: Held[] = []
  readonly #told: Told

  constructor(told: Told) {
    this.#told = told
  }

  add(kind: string, headers: Held['headers'], seconds: number): Held {
    const held = { kind, headers, until: Date.now() + (seconds - 5) * 1000 }
    this.good = [...this.good, held].slice(-MOST)
    this.#told.counts.issued += 1
    return held
  }

  /** Nothing is known of these for now. */
  doubt(some: readonly Held[]): void {
    this.good = this.good.filter((held) => !some.includes(held))
  }

  revoke(some: readonly Held[]): void {
    this.doubt(some)
    this.revoked = [...this.revoked, ...some].slice(-MOST)
    this.#told.counts.revoked += some.length
  }

  /** Leaves out what expires by itself. */
  prune(): void {
    const isFresh = ({ until }: Held) => until > Date.now()
    this.good = this.good.filter(isFresh)
    this.revoked = this.revoked.filter(isFresh)
  }
}
