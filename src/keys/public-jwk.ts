import { importJWK, type JWK } from 'jose'

/** Signatures by which clients and service accounts authenticate: asymmetric ones alone. */
export const ASSERTION_ALGS = ['ES256', 'PS256', 'RS256', 'Ed25519', 'EdDSA'] as const

const SMALLEST_EXPONENT = 65537n
const EXPONENT_BITS = 256
const MODULUS_BITS = { least: 2048, most: 8192 }

/**
 * Why an RSA key of somebody else proves nothing, or costs too much to try; undefined of a good one, and of any other
 * kind of key. With the exponent 1 a signature is what was signed, which anybody can write down (RFC 8725 3.4,
 * FIPS 186-5 5.4, RFC 7518 3.3).
 */
export function rsaKeyProblem(jwk: unknown): string | undefined {
  const { kty, e, n } = Object(jwk) as Record<string, unknown>
  if (kty !== 'RSA') return undefined
  const exponent = integerOf(e)
  const isExponent = exponent >= SMALLEST_EXPONENT && exponent % 2n === 1n && bitsOf(exponent) <= EXPONENT_BITS
  if (!isExponent) return 'is an RSA key whose exponent is no odd number from 65537 to 2^256'
  const bits = bitsOf(integerOf(n))
  const isSize = bits >= MODULUS_BITS.least && bits <= MODULUS_BITS.most
  return isSize ? undefined : 'is an RSA key of fewer than 2048 or more than 8192 bits'
}

/** What {@link rsaKeyProblem} says of the first such key of a JWK Set; undefined of anything that is none. */
export function weakKeyProblem(jwks: unknown): string | undefined {
  const { keys } = Object(jwks) as { keys?: unknown }
  return Array.isArray(keys) ? keys.map(rsaKeyProblem).find((problem) => problem !== undefined) : undefined
}

/** Why a JWK is no public key to verify assertions with; undefined when it is one. */
export async function assertionKeyProblem(jwk: JWK): Promise<string | undefined> {
  if ('d' in jwk || 'k' in jwk) return 'is a private or a secret key'
  if (jwk.use !== undefined && jwk.use !== 'sig') return 'is not for signatures'
  const problem = rsaKeyProblem(jwk)
  if (problem !== undefined) return problem
  for (const alg of jwk.alg === undefined ? ASSERTION_ALGS : ASSERTION_ALGS.filter((known) => known === jwk.alg)) {
    if (await verifies(jwk, alg)) return undefined
  }
  return `is for none of ${ASSERTION_ALGS.join(', ')}`
}

/** Whether a key can be used with an algorithm. */
async function verifies(jwk: JWK, alg: string): Promise<boolean> {
  const key = await importJWK(jwk, alg).catch(() => undefined)
  return key !== undefined && !(key instanceof Uint8Array) && key.type === 'public'
}

/** An integer as a JWK has it (RFC 7518 2); nothing is zero. */
const integerOf = (text: unknown) =>
  typeof text === 'string' ? BigInt(`0x0${Buffer.from(text, 'base64url').toString('hex')}`) : 0n

const bitsOf = (integer: bigint) => (integer === 0n ? 0 : integer.toString(2).length)
