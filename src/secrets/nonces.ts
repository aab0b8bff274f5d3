import { hkdfSync } from 'node:crypto'

/** Nonces for DPoP proofs (RFC 9449 8): any process with the same keys knows them, and none is kept. */
export interface Nonces {
  /** The one to use from now on. */
  next(now: Date): string
  /** Whether it was given within the last four minutes. */
  isFresh(nonce: string, now: Date): boolean
}

/** What the keys of the nonces are derived for (`Sealer.derive`), here and for the engine. */
export const DPOP_NONCES = 'DPoP nonces'

const STEP_MS = 60_000
/** How many steps a nonce may be off; it is given one step ahead. */
const TOLERANCE = 2

/**
 * The engine's own way to make them, so that what the token endpoint gives is good at the API, and the other way
 * round: clients keep one nonce for an origin.
 * @param keys of 32 bytes; the first makes nonces, all recognize them
 */
export function createNonces(keys: readonly Uint8Array[]): Nonces {
  let step = Number.NaN
  let known: readonly string[][] = []

  const at = (now: Date): readonly string[][] => {
    const current = Math.floor(now.getTime() / STEP_MS)
    if (current === step) return known
    step = current
    const steps = Array.from({ length: 2 * TOLERANCE + 1 }, (_, index) => current - TOLERANCE + index)
    known = keys.map((key) => steps.map((each) => derive(key, each)))
    return known
  }

  return {
    next: (now) => at(now)[0]?.[TOLERANCE + 1] as string,
    isFresh: (nonce, now) => at(now).some((ofKey) => ofKey.includes(nonce)),
  }
}

function derive(key: Uint8Array, step: number): string {
  const salt = Buffer.alloc(8)
  salt.writeBigUInt64BE(BigInt(step))
  return Buffer.from(hkdfSync('sha256', key, salt, 'DPoP', 32)).toString('base64url')
}
