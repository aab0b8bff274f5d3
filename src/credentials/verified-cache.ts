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

/** @param maxBytes the least recently used entries leave when this is passed */
export function createVerifiedCache(maxBytes: number): VerifiedCache {
  const entries = new Map<string, { verified: Verified; bytes: number }>()
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

  return {
    get(key, now) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      if (entry.verified.expiresAt <= now) {
        remove(key)
        return undefined
      }
      entries.delete(key)
      entries.set(key, entry)
      return entry.verified
    },
    put(key, verified) {
      remove(key)
      const size =
        ENTRY_BYTES + 2 * (key.length + verified.tags.join().length + [...verified.principal.scope].join().length)
      if (size > maxBytes) return
      entries.set(key, { verified, bytes: size })
      bytes += size
      for (const tag of verified.tags) {
        const keys = keysByTag.get(tag) ?? new Set()
        keysByTag.set(tag, keys.add(key))
      }
      while (bytes > maxBytes) {
        const oldest = entries.keys().next()
        if (oldest.done) break
        remove(oldest.value)
      }
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
