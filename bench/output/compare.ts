import type { Measured } from '../figures.ts'
import { short } from './numbers.ts'
import type { Results } from './results.ts'

/** A case is slower when it lost more than this part of its requests per CPU second. */
const TOLERATED = 0.1

/** Lines on the cases that got slower than they were in a former result. */
export function renderComparison(now: readonly Measured[], before: Results): string {
  const slower = now.flatMap((one) => {
    const former = before.cases.find(({ name }) => name === one.name)
    if (former === undefined) return []
    const change = one.median.perCpuSecond / former.median.perCpuSecond - 1
    if (change >= -TOLERATED) return []
    const figures = `${short(former.median.perCpuSecond)} -> ${short(one.median.perCpuSecond)} req/CPU s`
    return [`  ${one.name}: ${Math.round(change * 100)} %, ${figures}`]
  })
  const since = `${before.machine.date} (${before.machine.cpu}, Node ${before.machine.node}, ${before.machine.database})`
  if (slower.length === 0) return `Nothing is more than ${TOLERATED * 100} % slower than on ${since}.`
  return [`Slower than on ${since}:`, ...slower].join('\n')
}
