import argon2 from 'argon2'

/** Argon2id with the parameters OWASP gives for it: 19 MiB, two passes, one lane. */
const PARAMETERS = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

export const PASSWORD_MIN_LENGTH = 8
/** A cap on the work a stranger can ask for, far above any real password. */
export const PASSWORD_MAX_LENGTH = 256

let dummy: Promise<string> | undefined

/** The PHC string of a password, taken exactly as received (ASVS V6.2.8). */
export function hashPassword(password: string): Promise<string> {
  return argon2.hash(Buffer.from(password), PARAMETERS)
}

/**
 * Whether a password belongs to a PHC string. With `undefined` (no such account, no password)
 * the same work is done and the answer is false, so that time tells a stranger nothing (ASVS V6.3.8).
 */
export async function verifyPassword(phc: string | undefined, password: string): Promise<boolean> {
  if (phc !== undefined) return argon2.verify(phc, Buffer.from(password))
  dummy ??= hashPassword('a password nobody has')
  await argon2.verify(await dummy, Buffer.from(password))
  return false
}

/** Whether a PHC string was made with other parameters than today's. */
export function isOutdated(phc: string): boolean {
  return argon2.needsRehash(phc, PARAMETERS)
}
