import { and, gt, sql } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { keyset, type Place } from '../database/keyset.ts'
import { providerModels } from '../database/schema.ts'
import { NotFound } from '../errors.ts'
import { digest, makeOpaqueToken } from '../secrets/opaque-token.ts'

/** How many clients one token registers, unless it says so itself. */
export const DEFAULT_REGISTRATIONS = 100
export const MOST_REGISTRATIONS = 10_000
/** How many days one is good, unless it is said; and at most. */
export const DEFAULT_DAYS = 7
export const MOST_DAYS = 365

/**
 * Issues an initial access token (RFC 7591 3): whoever bears it may register clients while
 * CLIENT_REGISTRATION is `token`. Shown this once.
 * @param most how many clients
 */
export async function issueInitialAccessToken(
  db: Database,
  expiresAt: Date,
  now: Date,
  origin: Origin = {},
  most = DEFAULT_REGISTRATIONS,
): Promise<string> {
  const token = makeOpaqueToken()
  const seconds = (moment: Date) => Math.floor(moment.getTime() / 1000)
  await db.transaction(async (tx) => {
    await tx.insert(providerModels).values({
      model: 'InitialAccessToken',
      id: digest(token),
      payload: { kind: 'InitialAccessToken', iat: seconds(now), exp: seconds(expiresAt), most },
      expiresAt,
    })
    await record(tx, {
      type: 'initial_access_token.issue',
      ...origin,
      details: { token: digest(token), clients: most },
    })
  })
  return token
}

/** An initial access token as the operator knows it. */
export interface InitialAccessToken {
  /** Its digest: it gives nothing away. */
  readonly id: string
  readonly expiresAt: Date
  /** How many clients it may register, and how many it has. */
  readonly clients: number
  readonly registered: number
}

const { payload, expiresAt, id } = providerModels
/** In so many words, not as a parameter: only then an index of these alone is used. */
const isOne = sql`${providerModels.model} = 'InitialAccessToken'`
const inOrder = keyset(expiresAt, id)
const COLUMNS = {
  id,
  expiresAt: sql<Date>`${expiresAt}`.mapWith(expiresAt),
  clients: sql<number>`coalesce((${payload}->>'most')::int, ${DEFAULT_REGISTRATIONS})`,
  registered: sql<number>`coalesce((${payload}->>'clients')::int, 0)`,
}

/** A page of those that have not expired, after the one given; what expires first comes first. */
export function listInitialAccessTokens(
  db: Database,
  now: Date,
  limit: number,
  after?: Place,
): Promise<InitialAccessToken[]> {
  return db
    .select(COLUMNS)
    .from(providerModels)
    .where(and(isOne, gt(expiresAt, now), inOrder.after(after)))
    .orderBy(...inOrder.order)
    .limit(limit)
}

/**
 * Takes an initial access token back: it registers no more. What it registered stays.
 * @param token its digest
 * @throws {NotFound}
 */
export async function revokeInitialAccessToken(db: Database, token: string, origin: Origin = {}): Promise<void> {
  await db.transaction(async (tx) => {
    const isIt = and(isOne, sql`${id} = ${token}`)
    const revoked = await tx.delete(providerModels).where(isIt).returning({ id })
    if (revoked.length === 0) throw new NotFound('There is no such initial access token.')
    await record(tx, { type: 'initial_access_token.revoke', ...origin, details: { token } })
  })
}
