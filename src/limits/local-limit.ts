import { TooManyAttempts } from '../errors.ts'
import type { Limit } from './limits.ts'

/** A limit of this process, in memory, that waits for nothing. */
export interface LocalLimit {
  /** @throws {TooManyAttempts} when there were as many as there may be, or the key is blocked */
  requireLeft(key: string): void
  /**
   * Counts one.
   * @throws {TooManyAttempts} when that is one too many
   */
  count(key: string): void
  /** Leaves nothing for so many seconds. */
  block(key: string, seconds: number): void
}

interface Count {
  points: number
  readonly until: number
}

/**
 * Two generations of keys, so that strangers with many networks cannot fill the memory: when there are too many,
 * those that were not counted of late are forgotten.
 * @param points how many may happen within `seconds` of the first
 * @param most how many keys are remembered
 */
export function createLocalLimit(points: number, seconds: number, most = 20_000): LocalLimit {
  let young = new Map<string, Count>()
  let old = new Map<string, Count>()

  const find = (key: string): Count | undefined => {
    const count = young.get(key) ?? old.get(key)
    return count !== undefined && count.until > Date.now() ? count : undefined
  }
  const put = (key: string, count: Count): Count => {
    if (young.size >= most / 2) {
      old = young
      young = new Map()
    }
    young.set(key, count)
    return count
  }
  const refuse = ({ until }: Count) => {
    throw new TooManyAttempts(Math.max(1, Math.ceil((until - Date.now()) / 1000)))
  }

  return {
    requireLeft(key) {
      const count = find(key)
      if (count !== undefined && count.points >= points) refuse(count)
    },
    count(key) {
      const count = put(key, find(key) ?? { points: 0, until: Date.now() + seconds * 1000 })
      count.points += 1
      if (count.points > points) refuse(count)
    },
    block(key, blocked) {
      put(key, { points, until: Date.now() + blocked * 1000 })
    },
  }
}

/**
 * A limit of failures that asks the database of them alone: what another process has counted is known here from
 * the first failure on. Who does not fail waits for nothing.
 */
export function createFailureLimit(shared: Limit, local: LocalLimit): Limit {
  return {
    async requireLeft(key) {
      local.requireLeft(key)
    },
    async count(key) {
      local.count(key)
      await shared.count(key).catch((error: unknown) => {
        if (error instanceof TooManyAttempts && error.retryAfter !== undefined) local.block(key, error.retryAfter)
        throw error
      })
    },
  }
}
