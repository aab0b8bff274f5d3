import { TooManyAttempts } from '../errors.ts'

/** Has those who come for the same thing wait for one another. */
export interface Turns {
  /**
   * Waits for a turn, which lasts until what it answers is called.
   * @throws {TooManyAttempts} when too many wait already
   */
  take(key: string): Promise<() => void>
}

/** @param most how many may wait for the same thing */
export function createTurns(most: number): Turns {
  const waiting = new Map<string, (() => void)[]>()

  const give = (key: string) => {
    const next = waiting.get(key)?.shift()
    if (next === undefined) waiting.delete(key)
    else next()
  }
  return {
    async take(key) {
      const queue = waiting.get(key)
      if (queue === undefined) waiting.set(key, [])
      else if (queue.length >= most) throw new TooManyAttempts(1)
      else await new Promise<void>((resolve) => queue.push(resolve))
      return () => give(key)
    },
  }
}
