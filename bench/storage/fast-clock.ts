import { RATE } from './clock-rate.ts'

/**
 * Loaded before a server (`node --import`): its clock runs a day in ten minutes, and its timers of ten seconds
 * or more keep up, so that whatever lives for minutes or hours expires within a benchmark.
 */

const LONG_MS = 10_000
const startedAt = Date.now()
const fastNow = () => startedAt + (realDate.now() - startedAt) * RATE
const realDate = Date

globalThis.Date = new Proxy(realDate, {
  construct: (target, args: [], newTarget) =>
    Reflect.construct(target, args.length > 0 ? args : [fastNow()], newTarget),
  get: (target, name) => (name === 'now' ? fastNow : Reflect.get(target, name)),
})

const realInterval = setInterval
const fastInterval = (work: () => void, delay = 0) => realInterval(work, delay >= LONG_MS ? delay / RATE : delay)
globalThis.setInterval = fastInterval as typeof setInterval
