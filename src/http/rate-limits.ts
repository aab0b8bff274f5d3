import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { TooManyAttempts } from '../errors.ts'

/** Counts attempts under a key, for instance an account and a network. */
export interface AttemptLimit {
  /**
   * Counts one attempt, before it is made, so that parallel ones are all counted; one that is refused is not.
   * @throws {TooManyAttempts} when there were too many
   */
  attempt(key: string): Promise<void>
  /** Gives the attempt back: it succeeded. */
  succeeded(key: string): Promise<void>
  /**
   * Counts nothing.
   * @throws {TooManyAttempts} when no attempt is left
   */
  requireLeft(key: string): Promise<void>
}

/** @param points attempts that may fail within `seconds` */
export function createAttemptLimit(points: number, seconds: number): AttemptLimit {
  const limiter = new RateLimiterMemory({ points, duration: seconds })
  const refuse = ({ msBeforeNext }: RateLimiterRes) => {
    throw new TooManyAttempts(Math.max(1, Math.ceil(msBeforeNext / 1000)))
  }
  return {
    async attempt(key) {
      try {
        await limiter.consume(key)
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal
        await limiter.reward(key)
        refuse(refusal)
      }
    },
    async succeeded(key) {
      await limiter.reward(key)
    },
    async requireLeft(key) {
      const now = await limiter.get(key)
      if (now !== null && now.consumedPoints >= points) refuse(now)
    },
  }
}
