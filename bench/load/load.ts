/** What to send, over and over, and what must come back. */
export interface Load {
  readonly path: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Differences of one request from the next, taken in turn. */
  readonly variants?: readonly Variant[]
  /** Sends each variant once and no more. */
  readonly once?: boolean
  readonly chain?: Chain
  /**
   * The sender never sleeps, for what is answered without a database, which would want the core. Who writes to a
   * process that sleeps pays for waking it, up to 20 us on a virtual machine, and the load sleeps the more the slower
   * the server is.
   */
  readonly isAwake?: boolean
  /** Fewer connections than the run has. */
  readonly connections?: number
  /** At most this many requests. */
  readonly amount?: number
  /** The statuses that are right; 200 when left out. */
  readonly expected?: readonly number[]
}

/** What differs from request to request. */
export interface Variant {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Tokens that a request consumes and its answer replaces. */
export interface Chain {
  readonly tokens: readonly string[]
  /** The body of a request, with TOKEN where the token goes. */
  readonly body: string
  /** The member of the answer that holds the next token. */
  readonly member: string
}

/** A load with where it goes and how long. */
export interface LoadOrder extends Load {
  readonly url: string
  readonly seconds: number
  readonly connections: number
}

/** What came of a load. */
export interface LoadResult {
  readonly requests: number
  /** From the first request to the last answer. */
  readonly seconds: number
  readonly p50: number
  readonly p99: number
  /** Bytes sent and received, headers included. */
  readonly bytes: number
  /** How many answers had each status. */
  readonly statuses: Readonly<Record<number, number>>
  /** Connections that failed and answers that never came. */
  readonly errors: number
  /** The tokens of a chain that are left. */
  readonly tokens: readonly string[]
}

/** How many answers had another status than the one that is right, or never came. */
export function wrongAnswers(result: LoadResult, expected?: readonly number[]): number {
  return wrongAnswersBy(result, expected).reduce((sum, [, count]) => sum + count, 0)
}

/** Those answers by their status, and how many there were not. */
export function wrongAnswersBy(
  { statuses, errors }: LoadResult,
  expected: readonly number[] = [200],
): [string, number][] {
  const others = Object.entries(statuses).filter(([status]) => !expected.includes(Number(status)))
  return errors > 0 ? [...others, ['without an answer', errors]] : others
}
