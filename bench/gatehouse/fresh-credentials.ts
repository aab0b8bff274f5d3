import { randomUUID } from 'node:crypto'
import { eq } from 'drizzle-orm'
import { decodeJwt, decodeProtectedHeader, importJWK, type JWTPayload, SignJWT } from 'jose'
import type { Account } from '../../src/accounts/accounts.ts'
import { apiKeys, providerModels } from '../../src/database/schema.ts'
import { makeApiKey, shownPrefix } from '../../src/secrets/api-key.ts'
import { digest, makeOpaqueToken } from '../../src/secrets/opaque-token.ts'
import { issueFirstPartyJwt } from '../../src/sessions/first-party-jwt.ts'
import type { Gatehouse } from './gatehouse.ts'
import { API_SCOPE, type Person } from './world.ts'

const PREFIX = 'gk_live_'
/** Longer than a day in ten minutes. */
const WEEK_MS = 7 * 24 * 3600 * 1000
/** Rows of one INSERT. */
const BATCH = 2_000

/** API keys of a person's, put into the database directly, so that the server has never seen them. */
export async function insertApiKeys({ db }: Gatehouse, owner: Person, count: number) {
  const now = new Date()
  const keys = Array.from({ length: count }, () => ({ id: randomUUID(), secret: makeApiKey(PREFIX) }))
  for (let start = 0; start < count; start += BATCH) {
    await db.insert(apiKeys).values(
      keys.slice(start, start + BATCH).map(({ id, secret }) => ({
        id,
        accountId: owner.id,
        name: 'benchmark',
        digest: digest(secret),
        prefix: shownPrefix(PREFIX, secret),
        scope: API_SCOPE,
        expiresAt: new Date(now.getTime() + WEEK_MS),
        createdAt: now,
      })),
    )
  }
  return keys
}

/** Opaque access tokens that say what another says, put into the database directly. */
export async function insertOpaqueTokens({ db }: Gatehouse, of: string, count: number): Promise<string[]> {
  const [row] = await db
    .select()
    .from(providerModels)
    .where(eq(providerModels.id, digest(of)))
  if (row === undefined) throw new Error('no such token')
  const tokens = Array.from({ length: count }, makeOpaqueToken)
  for (let start = 0; start < count; start += BATCH) {
    const some = tokens.slice(start, start + BATCH)
    await db.insert(providerModels).values(some.map((token) => ({ ...row, id: digest(token) })))
  }
  return tokens
}

/** First-party JWTs of a session that is live, signed with the server's own key by its own function. */
export function signFirstPartyJwts({ keys, url }: Gatehouse, of: string, count: number): Promise<string[]> {
  const { sub = '', sid, auth_time, role } = decodeJwt<{ sid: string; auth_time: number; role: Account['role'] }>(of)
  const now = new Date()
  const expiresAt = new Date(now.getTime() + WEEK_MS)
  const session = { id: sid, authenticatedAt: new Date(auth_time * 1000), upstreamIssuer: null, expiresAt }
  const account = { id: sub, role, email: '', name: null, createdAt: now }
  const sign = async () => (await issueFirstPartyJwt({ issuer: url, keys }, session, account, now)).accessToken
  return Promise.all(Array.from({ length: count }, sign))
}

/** Access tokens that say what another says, each under an identifier of its own. */
export async function signAccessTokens({ signingKeys }: Gatehouse, of: string, count: number): Promise<string[]> {
  const { alg = '', kid = '', typ } = decodeProtectedHeader(of)
  const signer = signingKeys.find((key) => key.kid === kid)
  if (signer === undefined) throw new Error(`no key ${kid}`)
  const key = await importJWK(signer.privateJwk, alg)
  const claims = decodeJwt(of)
  const lifetime = Number(claims.exp) - Number(claims.iat)
  const iat = Math.floor(Date.now() / 1000)
  const sign = () => {
    const payload: JWTPayload = { ...claims, jti: randomUUID(), iat, exp: iat + lifetime }
    return new SignJWT(payload).setProtectedHeader({ alg, kid, typ }).sign(key)
  }
  return Promise.all(Array.from({ length: count }, sign))
}
