import { KEYS_DELETED } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import type { LiveChanges } from '../database/live-changes.ts'
import type { Remembered } from '../database/remembered.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { LocalLimit } from '../limits/local-limit.ts'
import { builtInIdentifier, type Resource } from '../resources/resources.ts'
import { createAccessTokenVerifier } from './access-token.ts'
import { createApiKeyVerifier } from './api-key.ts'
import { type Authenticator, createAuthenticator } from './authenticate.ts'
import { createFirstPartyJwtVerifier } from './first-party-jwt.ts'
import { createPossession, type PossessionDependencies } from './possession.ts'
import { createUnknownCache } from './unknown-cache.ts'
import { createVerifiedCache } from './verified-cache.ts'
import type { IsUnchanged } from './verifier.ts'

const UNKNOWN_MOST = 20_000
const UNKNOWN_MS = 60_000
/** About as long as the credentials that come and go are good. */
const AGE_MS = 5 * 60_000
/** Clocks of two processes, and a request that waits for the database, may set an issue and a change apart by this much. */
const SKEW_MS = 60_000

export interface AuthenticationDependencies extends PossessionDependencies {
  readonly db: Database
  readonly changes: LiveChanges
  readonly keys: KeyRing
  readonly resources: Remembered<Resource>
  readonly apiKeyPrefix: string
  /** Random values that nobody was given, by network. */
  readonly unknownCredentials: LocalLimit
  /** How much verified credentials are remembered, in bytes. */
  readonly cacheBytes: number
}

/** The three verifiers behind one authenticator, with what this process remembers of their answers. */
export function createAuthentication(dependencies: AuthenticationDependencies): Authenticator {
  const { db, changes, keys, issuer, apiKeyPrefix } = dependencies
  const findResource = (identifier: string) => dependencies.resources.find(db, identifier)
  const cache = createVerifiedCache(dependencies.cacheBytes)
  const unknown = createUnknownCache(UNKNOWN_MOST, UNKNOWN_MS)
  setInterval(cache.age, AGE_MS).unref()
  changes.tell({
    forget(tag) {
      if (tag === KEYS_DELETED) cache.clear()
      cache.forget(tag)
      unknown.clear()
    },
    forgetAll() {
      cache.clear()
      unknown.clear()
    },
  })
  const isUnchanged: IsUnchanged = (tags, since) => changes.isCurrent() && !changes.changedSince(tags, since, SKEW_MS)

  return createAuthenticator({
    verifiers: [
      createApiKeyVerifier({ db, prefix: apiKeyPrefix }),
      createFirstPartyJwtVerifier({ db, keys, issuer, isUnchanged }),
      createAccessTokenVerifier({ db, keys, issuer, apiKeyPrefix, isUnchanged, findResource }),
    ],
    builtIn: builtInIdentifier(issuer),
    cache,
    unknown,
    unknownCredentials: dependencies.unknownCredentials,
    changes,
    provePossession: createPossession(dependencies),
  })
}
