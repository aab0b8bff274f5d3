import { calculateJwkThumbprint, EmbeddedJWK, type JWK, jwtVerify } from 'jose'
import { DpopNonceRequired, InvalidCredential, InvalidDpopProof } from '../errors.ts'
import type { Nonces } from '../secrets/nonces.ts'
import { digest } from '../secrets/opaque-token.ts'
import { jwsHeader } from './presented.ts'

/** What proofs are signed with, here and at the engine's endpoints; asymmetric, with small keys (RFC 9449 5.1). */
export const DPOP_ALGS = ['ES256', 'Ed25519', 'EdDSA']

/** How old a proof may be, or how far ahead, in milliseconds: as the engine has it. */
export const PROOF_WINDOW_MS = 300_000

/** What a proof must have been made for. */
export interface Proven {
  readonly method: string
  /** The URL of the request, without query and fragment. */
  readonly url: string
  readonly token: string
  /** The key that the token is bound to. */
  readonly jkt: string
}

export interface ProofRules {
  readonly nonces: Nonces
  /** Whether a proof must have a nonce; one that it has is checked anyway. */
  readonly isNonceRequired: boolean
}

/**
 * Checks a DPoP proof (RFC 9449 4.3), except whether it was used before.
 * @returns its `jti`, and from when on it is refused anyway
 * @throws {InvalidDpopProof | DpopNonceRequired}
 * @throws {InvalidCredential} when it proves another key than the token's
 */
export async function verifyDpopProof(
  proof: string,
  { method, url, token, jkt }: Proven,
  { nonces, isNonceRequired }: ProofRules,
  now: Date,
): Promise<{ jti: string; until: Date }> {
  const header = jwsHeader(proof)
  if (header === undefined) throw new InvalidDpopProof('not one canonical compact JWS')
  if ((await thumbprintOf(header.jwk)) !== jkt) throw new InvalidCredential('bound to another key')
  const { payload } = await jwtVerify(proof, EmbeddedJWK, {
    algorithms: DPOP_ALGS,
    typ: 'dpop+jwt',
    currentDate: now,
  }).catch((cause: unknown) => {
    throw new InvalidDpopProof(cause)
  })
  const { jti, iat, htm, htu, ath, nonce } = payload
  if (typeof jti !== 'string' || jti === '') throw new InvalidDpopProof('no jti')
  if (htm !== method) throw new InvalidDpopProof('for another method')
  if (typeof htu !== 'string' || withoutQuery(htu) !== withoutQuery(url)) throw new InvalidDpopProof('for another URL')
  if (ath !== digest(token)) throw new InvalidDpopProof('for another token')
  if (typeof iat !== 'number') throw new InvalidDpopProof('no iat')
  if (nonce === undefined && isNonceRequired) throw new DpopNonceRequired()
  if (nonce !== undefined) {
    if (typeof nonce !== 'string') throw new InvalidDpopProof('the nonce is no text')
    if (!nonces.isFresh(nonce, now)) throw new DpopNonceRequired()
    return { jti, until: new Date(now.getTime() + PROOF_WINDOW_MS) }
  }
  if (!(Math.abs(now.getTime() - iat * 1000) <= PROOF_WINDOW_MS))
    throw new InvalidDpopProof('too old, or from the future')
  return { jti, until: new Date(iat * 1000 + PROOF_WINDOW_MS) }
}

async function thumbprintOf(jwk: unknown): Promise<string> {
  try {
    return await calculateJwkThumbprint(jwk as JWK)
  } catch (cause) {
    throw new InvalidDpopProof(cause)
  }
}

/** A URL in its normal form (RFC 3986 6.2.2, 6.2.3), without what a proof is not about. */
function withoutQuery(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null) return undefined
  url.search = ''
  url.hash = ''
  return url.href
}
