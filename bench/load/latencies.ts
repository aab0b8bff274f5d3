import { createHistogram } from 'node:perf_hooks'

/** Times to an answer, in milliseconds, kept to the microsecond. */
export interface Latencies {
  readonly count: number
  add(milliseconds: number): void
  /** The time within which this part of the answers came; the longest for 1. */
  quantile(part: number): number
}

export function createLatencies(): Latencies {
  const histogram = createHistogram()
  return {
    get count() {
      return histogram.count
    },
    add: (milliseconds) => histogram.record(Math.max(1, Math.round(milliseconds * 1000))),
    quantile: (part) => (histogram.count === 0 ? Number.NaN : histogram.percentile(part * 100) / 1000),
  }
}
