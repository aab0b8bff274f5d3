import type { Tag } from '../database/changes.ts'
import type { Verified } from './verifier.ts'

/** Bytes an entry takes besides its texts: objects, map slots, dates. Measured by `npm run bench`. */
const ENTRY_BYTES = 1_200

/** Verified credentials by the digest of what was presented, until they expire or what they depend on changes. */
export interface VerifiedCache {
  get(key: string, now: Date): Verified | undefined
  put(key: string, verified: Verified): void
  /** Drops every entry that depends on this. */
  forget(tag: Tag): void
  clear(): void
  /** What the entries take, as far as is known. */
  readonly bytes: number
}

interface Entry {
  readonly verified: Verified
  readonly bytes: number
  /** Whether it was asked for since it was last considered for leaving. */
  used: boolean
}

/**
 * The oldest entries leave when the limit is passed, those that were used since get a second chance: a use
 * only sets a flag, where keeping the order of uses would move entries, and garbage, on every request.
 * @param maxBytes what the entries may take
 */
export function createVerifiedCache(maxBytes: number): VerifiedCache {
  const entries = new Map<string, Entry>()
  const keysByTag = new Map<Tag, Set<string>>()
  let bytes = 0

  const remove = (key: string) => {
    const entry = entries.get(key)
    if (entry === undefined) return
    entries.delete(key)
    bytes -= entry.bytes
    for (const tag of entry.verified.tags) {
      const keys = keysByTag.get(tag)
      keys?.delete(key)
      if (keys?.size === 0) keysByTag.delete(tag)
    }
  }

  const evictOldest = () => {
    for (const [key, entry] of entries) {
      if (!entry.used) return remove(key)
      entry.used = false
      entries.delete(key)
      entries.set(key, entry)
    }
  }

  return {
    get(key, now) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (entry.verified.expiresAt <= now) {
        remove(key)
        return undefined
      }
      entry.used = true
      return entry.verified
    },
    put(key, verified) {
      remove(key)
      const size =
        ENTRY_BYTES + 2 * (key.length + verified.tags.join().length + [...verified.principal.scope].join().length)
      if (size > maxBytes) return
      entries.set(key, { verified, bytes: size, used: false })
      bytes += size
      for (const tag of verified.tags) {
        const keys = keysByTag.get(tag) ?? new Set()
        keysByTag.set(tag, keys.add(key))
      }
      while (bytes > maxBytes) evictOldest()
    },
    forget(tag) {
      for (const key of keysByTag.get(tag) ?? []) remove(key)
    },
    clear() {
      entries.clear()
      keysByTag.clear()
      bytes = 0
    },
    get bytes() {
      return bytes
    },
  }
}
