import type { Tag } from '../database/changes.ts'
import type { Verified } from './verifier.ts'

/** Bytes an entry takes besides its texts: objects, map slots, dates. On the heap an entry is a fifth smaller. */
const ENTRY_BYTES = 1_200
/** Changes that are remembered before all entries are looked through for them. */
const MOST_CHANGES = 10_000

/** Verified credentials by the fingerprint of what was presented, until they expire or what they depend on changes. */
export interface VerifiedCache {
  get(key: string, now: Date): Verified | undefined
  put(key: string, verified: Verified): void
  /** From now on no entry that depends on this is given. */
  forget(tag: Tag): void
  /** What was not asked for since the time before leaves. */
  age(): void
  clear(): void
  /** What the entries take, as far as is known, with those that are only waiting to leave. */
  readonly bytes: number
}

interface Entry {
  readonly verified: Verified
  /** Milliseconds since 1970: two dates compared are two calls. */
  readonly expiresAt: number
  readonly bytes: number
  /** How many changes it has outlived. */
  outlived: number
}

/**
 * Two generations, each of half the bytes: what comes or is used goes to the young one; when that is full or has
 * aged it becomes the old one, and what was not used since leaves with the former old one, all at once. Taking out
 * the oldest one by one would have to step over the places of those that left before.
 *
 * A change is not looked for among the entries, it is numbered: an entry that is asked for compares what it
 * depends on with the changes since it was last compared, which mostly is none.
 * @param maxBytes what the entries may take
 */
export function createVerifiedCache(maxBytes: number): VerifiedCache {
  let young = new Map<string, Entry>()
  let old = new Map<string, Entry>()
  let youngBytes = 0
  let oldBytes = 0
  let changes = 0
  const changeOf = new Map<Tag, number>()

  const isGood = (entry: Entry): boolean => {
    if (entry.outlived === changes) return true
    const { outlived } = entry
    if (entry.verified.tags.some((tag) => (changeOf.get(tag) ?? 0) > outlived)) return false
    entry.outlived = changes
    return true
  }

  const remove = (key: string) => {
    const entry = young.get(key) ?? old.get(key)
    if (entry === undefined) return
    if (young.delete(key)) youngBytes -= entry.bytes
    else if (old.delete(key)) oldBytes -= entry.bytes
  }

  const age = () => {
    old = young
    oldBytes = youngBytes
    young = new Map()
    youngBytes = 0
  }

  const add = (key: string, entry: Entry) => {
    if (youngBytes + entry.bytes > maxBytes / 2) age()
    young.set(key, entry)
    youngBytes += entry.bytes
  }

  const lookThrough = () => {
    for (const generation of [young, old]) for (const [key, entry] of generation) if (!isGood(entry)) remove(key)
    changeOf.clear()
  }

  return {
    get(key, now) {
      const found = young.get(key)
      const entry = found ?? old.get(key)
      if (entry === undefined) return undefined
      const isFresh = entry.expiresAt > now.getTime() && isGood(entry)
      if (isFresh && entry === found) return entry.verified
      remove(key)
      if (!isFresh) return undefined
      add(key, entry)
      return entry.verified
    },
    put(key, verified) {
      remove(key)
      const bytes = ENTRY_BYTES + 2 * (key.length + lengthOf(verified.tags) + lengthOf(verified.principal.scope))
      if (bytes <= maxBytes / 2)
        add(key, { verified, expiresAt: verified.expiresAt.getTime(), bytes, outlived: changes })
    },
    forget(tag) {
      changes += 1
      changeOf.set(tag, changes)
      if (changeOf.size > MOST_CHANGES) lookThrough()
    },
    age,
    clear() {
      young.clear()
      old.clear()
      changeOf.clear()
      youngBytes = 0
      oldBytes = 0
    },
    get bytes() {
      return youngBytes + oldBytes
    },
  }
}

function lengthOf(texts: Iterable<string>): number {
  let length = 0
  for (const text of texts) length += text.length
  return length
}
