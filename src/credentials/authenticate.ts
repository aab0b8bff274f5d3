import type { FastifyRequest } from 'fastify'
import { KEYS_DELETED } from '../database/changes.ts'
import type { LiveChanges } from '../database/live-changes.ts'
import { CredentialRequired, InvalidCredential, InvalidRequest, UnknownCredential, WrongScheme } from '../errors.ts'
import type { LocalLimit } from '../limits/local-limit.ts'
import { networkOf } from '../limits/networks.ts'
import { createFingerprint } from '../secrets/fingerprint.ts'
import type { ProvePossession } from './possession.ts'
import { apiKeyHeader, isDpop } from './presented.ts'
import type { UnknownCache } from './unknown-cache.ts'
import type { VerifiedCache } from './verified-cache.ts'
import type { CredentialVerifier, Verified } from './verifier.ts'

export interface AuthenticatorDependencies {
  readonly verifiers: readonly CredentialVerifier[]
  /** Identifier of the resource that API keys and first-party JWTs are for. */
  readonly builtIn: string
  readonly cache: VerifiedCache
  readonly unknown: UnknownCache
  /** Random values that nobody was given, by network. */
  readonly unknownCredentials: LocalLimit
  readonly changes: LiveChanges
  readonly provePossession: ProvePossession
}

/** Finds out who is calling a resource; ours, where no other is named. */
export type Authenticator = (request: FastifyRequest, now: Date, resource?: string) => Promise<Verified> | Verified

/**
 * The one way to judge a credential. The form of what is presented chooses the one verifier that
 * judges it; its answer is final, and is remembered under a fingerprint of what was presented, which
 * gives nothing away in a heap dump.
 *
 * The authenticator throws {@link CredentialRequired} when nothing is presented, {@link InvalidRequest}
 * when more than one credential is (RFC 6750 2) or one stands in the query, {@link InvalidCredential}
 * when the credential is not good, what {@link ProvePossession} throws when it is bound and its holder not
 * proven, and {@link TooManyAttempts} when such came too often from a network.
 */
export function createAuthenticator(dependencies: AuthenticatorDependencies): Authenticator {
  const { verifiers, builtIn, cache, unknown, unknownCredentials, changes, provePossession } = dependencies
  const fingerprint = createFingerprint()

  return (request, now, resource = builtIn) => {
    if (credentialHeaders(request.raw.rawHeaders) > 1) {
      throw new InvalidRequest('A request takes one credential: one Authorization or one X-API-Key header.')
    }
    if (Object.hasOwn(request.query as object, 'access_token')) {
      throw new InvalidRequest('A credential is never taken from the query string.')
    }
    const key = keyOf(request, resource)
    if (key === undefined) throw new CredentialRequired()
    const remembered = changes.isCurrent() ? cache.get(key, now) : undefined
    if (remembered !== undefined && remembered.confirmation === undefined) return remembered
    return remembered === undefined ? verify(request, key, now, resource) : proven(request, remembered, now)
  }

  async function proven(request: FastifyRequest, verified: Verified, now: Date): Promise<Verified> {
    if (verified.confirmation !== undefined) await provePossession(request, verified.confirmation, now)
    return verified
  }

  async function verify(request: FastifyRequest, key: string, now: Date, resource: string): Promise<Verified> {
    if (unknown.has(key, now)) {
      unknownCredentials.count(networkOf(request.ip))
      throw new InvalidCredential('unknown a moment ago')
    }
    for (const verifier of verifiers) {
      const presented = verifier.presented(request)
      if (presented === undefined) continue
      if (resource !== builtIn && verifier.kind !== 'access_token') throw new InvalidCredential('for our API alone')
      try {
        const verified = await verifier.verify(presented, now, resource)
        if (isDpop(request) !== (verified.confirmation?.jkt !== undefined)) throw new WrongScheme()
        const dependsOn = [KEYS_DELETED, ...verified.tags]
        if (changes.isCurrent() && !changes.changedSince(dependsOn, now)) cache.put(key, verified)
        return await proven(request, verified, now)
      } catch (error) {
        if (error instanceof UnknownCredential) {
          unknown.add(key, now)
          unknownCredentials.count(networkOf(request.ip))
        }
        throw error
      }
    }
    throw new CredentialRequired()
  }

  /** Names what is presented by its header and resource too, by a line end, which no value of a header can hold. */
  function keyOf(request: FastifyRequest, resource: string): string | undefined {
    const apiKey = apiKeyHeader(request)
    const presented = request.headers.authorization ?? (apiKey === undefined ? undefined : `\n${apiKey}`)
    if (presented === undefined) return undefined
    return fingerprint(resource === builtIn ? presented : `${resource}\n${presented}`)
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
