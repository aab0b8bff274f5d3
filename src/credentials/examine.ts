import { decodeJwt } from 'jose'
import type { Database } from '../database/client.ts'
import { InvalidCredential } from '../errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { builtInIdentifier, findResource } from '../resources/resources.ts'
import { FIRST_PARTY_JWT_TYPE } from '../sessions/first-party-jwt.ts'
import { judgeAccessToken } from './access-token.ts'
import { createApiKeyVerifier } from './api-key.ts'
import type { Confirmation } from './confirmation.ts'
import { createFirstPartyJwtVerifier } from './first-party-jwt.ts'
import { jwsHeader } from './presented.ts'
import type { Verified } from './verifier.ts'

/** A good credential, of which kind and for which resource ever. */
export interface Examined extends Pick<Verified, 'principal' | 'tags' | 'expiresAt'> {
  /** Identifier of the resource it is for; of first-party JWTs and API keys the built-in one. */
  readonly audience: string | undefined
  /** What it is bound to, which whoever presents it must prove to hold. */
  readonly confirmation: Confirmation | undefined
  /** What it says, in the names of the claims of a JWT. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** Examines a credential that is the object of a request; undefined when it is not good. */
export type Examine = (credential: string, now: Date) => Promise<Examined | undefined>

export interface ExamineDependencies {
  readonly db: Database
  readonly keys: KeyRing
  readonly issuer: string
  readonly apiKeyPrefix: string
}

/**
 * Judges credentials that a client asks about or wants to exchange, by the same verifiers as those that requests are
 * made with, and always by what the database says now.
 */
export function createExamine({ db, keys, issuer, apiKeyPrefix }: ExamineDependencies): Examine {
  const isUnchanged = () => false
  const apiKeys = createApiKeyVerifier({ db, prefix: apiKeyPrefix })
  const firstPartyJwts = createFirstPartyJwtVerifier({ db, keys, issuer, isUnchanged })
  const audience = builtInIdentifier(issuer)

  const judge = async (credential: string, now: Date): Promise<Examined> => {
    if (credential.startsWith(apiKeyPrefix)) {
      const verified = await apiKeys.verify(credential, now, audience)
      return { ...verified, audience, confirmation: undefined, claims: {} }
    }
    const typ = jwsHeader(credential)?.typ
    if (typ === FIRST_PARTY_JWT_TYPE) {
      const verified = await firstPartyJwts.verify(credential, now, audience)
      return { ...verified, audience, confirmation: undefined, claims: decodeJwt(credential) }
    }
    const found = (identifier: string) => findResource(db, issuer, identifier)
    const judged = await judgeAccessToken({ db, keys, issuer, isUnchanged, findResource: found }, credential, now)
    const { verified, audience: resource, confirmation, claims } = judged
    return { ...verified, audience: resource, confirmation, claims }
  }

  return async (credential, now) => {
    try {
      return await judge(credential, now)
    } catch (error) {
      if (error instanceof InvalidCredential) return undefined
      throw error
    }
  }
}
