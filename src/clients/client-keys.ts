import type { JWK } from 'jose'
import { InvalidRequest } from '../errors.ts'
import { assertionKeyProblem } from '../keys/public-jwk.ts'

/** The public keys of a client: themselves, or where they are (RFC 7591 2). */
export type ClientKeys = { readonly jwks: { readonly keys: readonly object[] } } | { readonly jwksUri: string }

/** @throws {InvalidRequest} for anything but public keys to verify with, or an https URL of such */
export async function requireClientKeys(keys: ClientKeys): Promise<void> {
  if ('jwksUri' in keys) {
    const url = URL.parse(keys.jwksUri)
    if (url?.protocol === 'https:' && url.username === '' && url.password === '') return
    throw new InvalidRequest('A jwks_uri is an https URL.')
  }
  const set = (Object(keys.jwks) as { keys?: unknown }).keys
  if (!Array.isArray(set) || set.length === 0) throw new InvalidRequest('A JWK Set has an array of keys (RFC 7517 5).')
  for (const key of set as unknown[]) {
    const problem = await assertionKeyProblem(Object(key) as JWK)
    if (problem !== undefined) throw new InvalidRequest(`A key ${problem}.`)
  }
}

/** The keys as RFC 7591 metadata. */
export function keyMetadata(keys: ClientKeys): Record<string, unknown> {
  return 'jwks' in keys ? { jwks: keys.jwks } : { jwks_uri: keys.jwksUri }
}
