import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { providerModels } from '../database/schema.ts'
import { digest, makeOpaqueToken } from '../secrets/opaque-token.ts'

/**
 * Issues an initial access token (RFC 7591 3): whoever bears it may register clients while
 * CLIENT_REGISTRATION is `token`. Shown this once.
 */
export async function issueInitialAccessToken(
  db: Database,
  expiresAt: Date,
  now: Date,
  origin: Origin = {},
): Promise<string> {
  const token = makeOpaqueToken()
  const seconds = (moment: Date) => Math.floor(moment.getTime() / 1000)
  await db.transaction(async (tx) => {
    await tx.insert(providerModels).values({
      model: 'InitialAccessToken',
      id: digest(token),
      payload: { kind: 'InitialAccessToken', iat: seconds(now), exp: seconds(expiresAt) },
      expiresAt,
    })
    await record(tx, { type: 'initial_access_token.issue', ...origin, details: { token: digest(token) } })
  })
  return token
}
