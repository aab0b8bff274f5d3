import type { Case } from './cases/case.ts'
import { type LoadResult, wrongAnswers } from './load/load.ts'
import type { Usage } from './processes/serve.ts'

/** What one case came to in one round, or in the median of all. */
export interface Figures {
  readonly perSecond: number
  /** Requests per second of processor time of the server's process. */
  readonly perCpuSecond: number
  /** Milliseconds to the answer. */
  readonly p50: number
  readonly p99: number
  /** Bytes of a request and its answer on the wire. */
  readonly bytes: number
  /** Statements a request sends to the database, and those of them that write. */
  readonly queries: number
  readonly writes: number
  /** `perCpuSecond` in relation to the same route without a credential. */
  readonly ratio: number
}

/** A case with its figures. */
export interface Measured {
  readonly name: string
  readonly title: string
  readonly group: Case['group']
  readonly median: Figures
  readonly rounds: readonly Figures[]
  /** Answers that were not the right ones; with any the figures mean nothing. */
  readonly wrong: number
  readonly target?: Target | undefined
}

/** What a case has to reach, and whether it does. */
export interface Target {
  readonly against: string
  readonly atLeast: number
  readonly ratio: number
  readonly met: boolean
}

/** One round of one case, before it is set in relation to others. */
export type Sample = Omit<Figures, 'ratio'> & { readonly wrong: number }

export function sampleOf(
  result: LoadResult,
  before: Usage,
  after: Usage,
  expected: readonly number[] | undefined,
): Sample {
  const { requests, seconds, p50, p99, bytes } = result
  return {
    perSecond: requests / seconds,
    perCpuSecond: requests / (after.cpuSeconds - before.cpuSeconds),
    p50,
    p99,
    bytes: bytes / requests,
    queries: (after.statements.queries - before.statements.queries) / requests,
    writes: (after.statements.writes - before.statements.writes) / requests,
    wrong: wrongAnswers(result, expected),
  }
}

/** The medians of a case, in relation to others of the same round. */
export function measuredOf(
  { name, title, group, target }: Case,
  samples: ReadonlyMap<string, readonly Sample[]>,
  baseline: string,
): Measured {
  const own = samples.get(name) ?? []
  const ratiosTo = (other: string) =>
    own.map((sample, round) => sample.perCpuSecond / (samples.get(other)?.[round]?.perCpuSecond ?? Number.NaN))
  const ratios = ratiosTo(baseline)
  const rounds = own.map(({ wrong: _, ...figures }, round) => ({ ...figures, ratio: ratios[round] ?? Number.NaN }))
  const reached = target === undefined || !samples.has(target.against) ? undefined : median(ratiosTo(target.against))
  return {
    name,
    title,
    group,
    median: medians(rounds),
    rounds,
    wrong: own.reduce((sum, { wrong }) => sum + wrong, 0),
    target:
      target === undefined || reached === undefined
        ? undefined
        : { ...target, ratio: reached, met: reached >= target.atLeast },
  }
}

function medians(rounds: readonly Figures[]): Figures {
  const of = (name: keyof Figures) => median(rounds.map((figures) => figures[name]))
  return {
    perSecond: of('perSecond'),
    perCpuSecond: of('perCpuSecond'),
    p50: of('p50'),
    p99: of('p99'),
    bytes: of('bytes'),
    queries: of('queries'),
    writes: of('writes'),
    ratio: of('ratio'),
  }
}

/** What a request takes, in milliseconds. */
export interface Times {
  readonly p50: number
  readonly p99: number
}

/** The medians of what was measured several times. */
export function medianTimes(parts: readonly Times[]): Times {
  return { p50: median(parts.map(({ p50 }) => p50)), p99: median(parts.map(({ p99 }) => p99)) }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
