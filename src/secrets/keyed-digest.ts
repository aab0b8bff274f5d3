import { createHmac } from 'node:crypto'
import type { Sealer } from './sealed.ts'

/**
 * Makes a digest of texts that a list of guesses would find in an SHA-256: without the key it tells nothing.
 * With another first key of SECRET_KEYS it is another.
 */
export function createKeyedDigest(sealer: Sealer, purpose: string): (text: string) => string {
  const [key = new Uint8Array(0)] = sealer.derive(purpose)
  return (text) => keyedDigest(key, text)
}

/** The HMAC-SHA-256 of a text, base64url. */
export function keyedDigest(key: Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}
