import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/**
 * A new bearer value of 256 random bits, base64url, 43 characters.
 * The caller shows it once and keeps only its {@link digest}.
 */
export function makeOpaqueToken(): string {
  return randomBytes(32).toString('base64url')
}

/** Whether a text has the form of one. */
export const isOpaqueToken = (text: string | undefined): text is string => /^[\w-]{43}$/.test(text ?? '')

/** SHA-256 of a bearer value, base64url: what the database keeps of it. */
export function digest(value: string): string {
  return hash('sha256', value, 'base64url')
}

/** Whether two digests are equal, in constant time. */
export function digestsEqual(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}
