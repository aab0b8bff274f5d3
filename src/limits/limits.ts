import { RateLimiterDrizzle, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Database } from '../database/client.ts'
import { TooManyAttempts } from '../errors.ts'
import { attempts } from './schema.ts'

/** How many of something may happen in a while, for each key: an account, a network, both. */
export interface Limit {
  /**
   * Counts nothing.
   * @throws {TooManyAttempts} when there were as many as there may be
   */
  requireLeft(key: string): Promise<void>
  /**
   * Counts one, at once, so that of many that come together no more than may be get through.
   * @throws {TooManyAttempts} when that is one too many
   */
  count(key: string): Promise<void>
}

/** Counters in the database, which all processes share; in memory while the database is away. */
export interface Counters {
  /** @param name tells it from the other counters of the database */
  counter(name: string, points: number, seconds: number): RateLimiterDrizzle
  /** What is stored of a key. */
  nameOf(key: string): string
}

/** @param nameOf a keyed digest: keys hold what people type as their e-mail, which may be anything */
export function createCounters(db: Database, nameOf: (key: string) => string): Counters {
  return {
    counter: (name, points, seconds) =>
      new RateLimiterDrizzle({
        storeClient: db,
        schema: attempts,
        keyPrefix: name,
        points,
        duration: seconds,
        clearExpiredByTimeout: false,
        insuranceLimiter: new RateLimiterMemory({ keyPrefix: name, points, duration: seconds }),
      }),
    nameOf,
  }
}

/** @param points how many may happen within `seconds` of the first */
export function createLimit(counters: Counters, name: string, points: number, seconds: number): Limit {
  const counter = counters.counter(name, points, seconds)
  return {
    async requireLeft(key) {
      const now = await counter.get(counters.nameOf(key))
      if (now !== null && now.consumedPoints >= points) throw tooMany(now)
    },
    async count(key) {
      await counter.consume(counters.nameOf(key)).catch(refuse)
    },
  }
}

/** Of what a counter rejects with: its refusal as ours, and anything else as it is. */
function refuse(rejected: unknown): never {
  throw rejected instanceof RateLimiterRes ? tooMany(rejected) : rejected
}

/** When a refused one may try again. */
function tooMany({ msBeforeNext }: RateLimiterRes): TooManyAttempts {
  return new TooManyAttempts(Math.max(1, Math.ceil(msBeforeNext / 1000)))
}
