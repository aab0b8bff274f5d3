import { findApiKey } from '../api-keys/api-keys.ts'
import type { Database } from '../database/client.ts'
import { InvalidCredential, UnknownCredential } from '../errors.ts'
import { narrowToRole } from '../resources/scopes.ts'
import { isApiKeyForm } from '../secrets/api-key.ts'
import { apiKeyHeader, bearerToken } from './presented.ts'
import type { CredentialVerifier } from './verifier.ts'

/** Judges API keys, as `X-API-Key` or as a Bearer token with the prefix. */
export function createApiKeyVerifier({ db, prefix }: { db: Database; prefix: string }): CredentialVerifier {
  return {
    kind: 'api_key',

    presented(request) {
      const bearer = bearerToken(request)
      return apiKeyHeader(request) ?? (bearer?.startsWith(prefix) ? bearer : undefined)
    },

    async verify(presented, now) {
      if (!isApiKeyForm(prefix, presented)) throw new InvalidCredential('not of the form of an API key')
      const key = await findApiKey(db, presented, now)
      if (key === undefined) throw new UnknownCredential('no such API key')
      return {
        principal: {
          subject: { kind: 'account', id: key.account.id },
          clientId: undefined,
          scope: narrowToRole(key.scope, key.account.role),
          role: key.account.role,
          credential: { kind: 'api_key', id: key.id },
        },
        tags: [`api_key ${key.id}`, `account ${key.account.id}`],
        expiresAt: key.expiresAt,
        account: key.account,
      }
    },
  }
}
