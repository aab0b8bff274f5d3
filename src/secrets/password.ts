import { availableParallelism } from 'node:os'
import argon2 from 'argon2'
import { createWorkQueue } from './work-queue.ts'

/** Argon2id with the parameters OWASP gives for it: 19 MiB, two passes, one lane. */
const PARAMETERS = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

export const PASSWORD_MIN_LENGTH = 8
/** A cap on the work a stranger can ask for, far above any real password. */
export const PASSWORD_MAX_LENGTH = 256

/** What the password of an account that is not there is compared with: the work is the same, and the answer no. */
const NOBODYS = [
  '$argon2id$v=19',
  `m=${PARAMETERS.memoryCost},t=${PARAMETERS.timeCost},p=${PARAMETERS.parallelism}`,
  'A'.repeat(22),
  'A'.repeat(43),
].join('$')

const CORES = availableParallelism()
/** One core is left to everything else, where there is another. */
const queue = createWorkQueue({ atOnce: Math.max(1, CORES - 1), waiting: 40 * CORES, waitMs: 5_000 })

/**
 * The PHC string of a password, taken exactly as received (ASVS V6.2.8).
 * @throws {Overloaded} when too many passwords are hashed or compared at once
 */
export function hashPassword(password: string): Promise<string> {
  return queue.run(() => argon2.hash(Buffer.from(password), PARAMETERS))
}

/**
 * Whether a password belongs to a PHC string. With `undefined` (no such account, no password)
 * the same work is done and the answer is false, so that time tells a stranger nothing (ASVS V6.3.8).
 * @throws {Overloaded} when too many passwords are hashed or compared at once
 */
export async function verifyPassword(phc: string | undefined, password: string): Promise<boolean> {
  const matches = await queue.run(() => argon2.verify(phc ?? NOBODYS, Buffer.from(password)))
  return matches && phc !== undefined
}

/**
 * Asked before anything else is done about a password, so that who cannot be served costs next to nothing.
 * @throws {Overloaded} when too many passwords are hashed or compared at once
 */
export const requireRoomForPassword = (): void => queue.requireRoom()

/** Whether a PHC string was made with other parameters than today's. */
export function isOutdated(phc: string): boolean {
  return argon2.needsRehash(phc, PARAMETERS)
}
