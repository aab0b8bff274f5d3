import { CompactSign, type CryptoKey, compactVerify, importJWK, type JWK } from 'jose'

/** What is signed when events are linked: where they stand and the hashes before the first and after the last. */
export interface Checkpoint {
  readonly day: string
  readonly first: number
  readonly last: number
  readonly before: string
  readonly hash: string
  /** When they were linked, ISO 8601. */
  readonly at: string
}

/** The public key with an identifier, when it signs checkpoints. */
export type FindKey = (kid: unknown, alg: unknown) => Promise<CryptoKey | undefined>

/** Told from every other thing we sign (RFC 8725 3.11). */
const TYPE = 'audit-checkpoint'

/** What a checkpoint begins with when a key signed it: the protected header of its JWS. */
export function checkpointHeader(kid: string, alg: string): string {
  return `${Buffer.from(JSON.stringify({ alg, kid, typ: TYPE })).toString('base64url')}.`
}

/** A checkpoint as a compact JWS. */
export function signCheckpoint(
  checkpoint: Checkpoint,
  { kid, alg, key }: { kid: string; alg: string; key: CryptoKey },
): Promise<string> {
  return new CompactSign(new TextEncoder().encode(JSON.stringify(checkpoint)))
    .setProtectedHeader({ alg, kid, typ: TYPE })
    .sign(key)
}

/**
 * A checkpoint from its JWS.
 * @throws when it is malformed, of another type, or not signed by a key that `findKey` knows
 */
export async function openCheckpoint(jws: string, findKey: FindKey): Promise<Checkpoint> {
  if (!jws.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)) {
    throw new Error('the checkpoint is not base64url in its one form')
  }
  const { payload, protectedHeader } = await compactVerify(
    jws,
    async ({ kid, alg }) => {
      const key = await findKey(kid, alg)
      if (key === undefined) throw new Error(`no key ${kid} signs checkpoints`)
      return key
    },
    { algorithms: ['ES256'] },
  )
  if (protectedHeader.typ !== TYPE) throw new Error('the JWS is no checkpoint')
  return JSON.parse(new TextDecoder().decode(payload))
}

/** Finds keys among public JWKs. */
export function keysAmong(jwks: readonly JWK[]): FindKey {
  const imported = new Map<string, Promise<CryptoKey>>()
  return async (kid, alg) => {
    const jwk = jwks.find((key) => key.kid === kid && (key.alg ?? 'ES256') === alg)
    if (jwk?.kid === undefined) return undefined
    const key = imported.get(jwk.kid) ?? (importJWK(jwk, 'ES256') as Promise<CryptoKey>)
    imported.set(jwk.kid, key)
    return key
  }
}
