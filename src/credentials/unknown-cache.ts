/** Remembers, for a short while, random values that the database does not know, so that it is not asked again. */
export interface UnknownCache {
  has(key: string, now: Date): boolean
  add(key: string, now: Date): void
  clear(): void
}

/**
 * @param most how many are remembered; when half of them are young, the others leave at once
 * @param milliseconds for how long
 */
export function createUnknownCache(most: number, milliseconds: number): UnknownCache {
  let young = new Map<string, number>()
  let old = new Map<string, number>()
  return {
    has(key, now) {
      const until = young.get(key) ?? old.get(key)
      return until !== undefined && until > now.getTime()
    },
    add(key, now) {
      if (young.size >= most / 2) {
        old = young
        young = new Map()
      }
      young.set(key, now.getTime() + milliseconds)
    },
    clear() {
      young.clear()
      old.clear()
    },
  }
}
