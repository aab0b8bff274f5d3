/** Remembers, for a short while, random values that the database does not know, so that it is not asked again. */
export interface UnknownCache {
  has(key: string, now: Date): boolean
  add(key: string, now: Date): void
  clear(): void
}

/**
 * @param most how many are remembered; the oldest leave first
 * @param milliseconds for how long
 */
export function createUnknownCache(most: number, milliseconds: number): UnknownCache {
  const until = new Map<string, number>()
  return {
    has(key, now) {
      const end = until.get(key)
      if (end !== undefined && end > now.getTime()) return true
      if (end !== undefined) until.delete(key)
      return false
    },
    add(key, now) {
      until.set(key, now.getTime() + milliseconds)
      if (until.size <= most) return
      const oldest = until.keys().next()
      if (!oldest.done) until.delete(oldest.value)
    },
    clear: () => until.clear(),
  }
}
