import { keyedDigest } from './keyed-digest.ts'
import type { Sealer } from './sealed.ts'

/** What is kept of the codes that people type: digests under a key, since such a code has too little entropy for any other. */
export interface UserCodes {
  /** What is stored of a code. */
  digest(code: string): string
  /** What may be stored of a code that was typed, under each key of SECRET_KEYS: in any case, with anything in between. */
  digestsOf(typed: string): string[]
}

export function createUserCodes(sealer: Sealer): UserCodes {
  const keys = sealer.derive('user_codes')
  const digestsOf = (typed: string) => {
    const code = typed.toUpperCase().replace(/[^A-Z0-9]/g, '')
    return keys.map((key) => keyedDigest(key, code))
  }
  return { digest: (code) => digestsOf(code)[0] ?? '', digestsOf }
}
