import { keyedDigest } from './keyed-digest.ts'
import { digest } from './opaque-token.ts'
import type { Sealer } from './sealed.ts'

/** What follows a refresh token when it is rotated: derived from it, so that it can be given again and is never kept. */
export interface Successors {
  /** The token that follows, of 256 bits; only who has the keys and the token itself can tell. */
  of(token: string): string
  /** Of what may follow under each key of the ring, the one that has this digest. */
  withDigest(token: string, digest: string): string | undefined
  /** The digests of all that may follow. */
  digestsOf(token: string): string[]
}

/** @param kind of refresh token; the same token of another kind has another successor */
export function createSuccessors(sealer: Sealer, kind: 'refresh_token' | 'first_party_session'): Successors {
  const keys = sealer.derive(`successor of a ${kind}`)
  const all = (token: string) => keys.map((key) => keyedDigest(key, token))
  return {
    of: (token) => keyedDigest(keys[0] as Uint8Array, token),
    withDigest: (token, wanted) => all(token).find((successor) => digest(successor) === wanted),
    digestsOf: (token) => all(token).map(digest),
  }
}
