import type { FastifyRequest } from 'fastify'
import { KEYS_DELETED } from '../database/changes.ts'
import type { LiveChanges } from '../database/live-changes.ts'
import { CredentialRequired, InvalidCredential, InvalidRequest, UnknownCredential } from '../errors.ts'
import { createFingerprint } from '../secrets/fingerprint.ts'
import { apiKeyHeader } from './presented.ts'
import type { UnknownCache } from './unknown-cache.ts'
import type { VerifiedCache } from './verified-cache.ts'
import type { CredentialVerifier, Verified } from './verifier.ts'

export interface AuthenticatorDependencies {
  readonly verifiers: readonly CredentialVerifier[]
  readonly cache: VerifiedCache
  readonly unknown: UnknownCache
  readonly changes: LiveChanges
}

/** Finds out who is calling. */
export type Authenticator = (request: FastifyRequest, now: Date) => Promise<Verified> | Verified

/**
 * The one way to judge a credential. The form of what is presented chooses the one verifier that
 * judges it; its answer is final, and is remembered under a fingerprint of what was presented, which
 * gives nothing away in a heap dump.
 *
 * The authenticator throws {@link CredentialRequired} when nothing is presented, {@link InvalidRequest}
 * when more than one credential is (RFC 6750 2) or one stands in the query, and
 * {@link InvalidCredential} when the credential is not good.
 */
export function createAuthenticator(dependencies: AuthenticatorDependencies): Authenticator {
  const { verifiers, cache, unknown, changes } = dependencies
  const fingerprint = createFingerprint()

  return (request, now) => {
    if (credentialHeaders(request.raw.rawHeaders) > 1) {
      throw new InvalidRequest('A request takes one credential: one Authorization or one X-API-Key header.')
    }
    if (Object.hasOwn(request.query as object, 'access_token')) {
      throw new InvalidRequest('A credential is never taken from the query string.')
    }
    const key = keyOf(request)
    if (key === undefined) throw new CredentialRequired()
    const remembered = changes.isCurrent() ? cache.get(key, now) : undefined
    return remembered ?? verify(request, key, now)
  }

  async function verify(request: FastifyRequest, key: string, now: Date): Promise<Verified> {
    if (unknown.has(key, now)) throw new InvalidCredential('unknown a moment ago')
    for (const verifier of verifiers) {
      const presented = verifier.presented(request)
      if (presented === undefined) continue
      try {
        const verified = await verifier.verify(presented, now)
        const dependsOn = [KEYS_DELETED, ...verified.tags]
        if (changes.isCurrent() && !changes.changedSince(dependsOn, now)) cache.put(key, verified)
        return verified
      } catch (error) {
        if (error instanceof UnknownCredential) unknown.add(key, now)
        throw error
      }
    }
    throw new CredentialRequired()
  }

  /** Names what is presented by its header too, which no value of the other header can pretend to be. */
  function keyOf(request: FastifyRequest): string | undefined {
    const { authorization } = request.headers
    if (authorization !== undefined) return fingerprint(authorization)
    const apiKey = apiKeyHeader(request)
    return apiKey === undefined ? undefined : fingerprint(`X-API-Key\n${apiKey}`)
  }
}

/** How many header lines present a credential; Node itself would drop or join repeated ones in silence. */
function credentialHeaders(rawHeaders: readonly string[]): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length !== 13 && name.length !== 9) continue
    if (/^(authorization|x-api-key)$/i.test(name)) count += 1
  }
  return count
}
