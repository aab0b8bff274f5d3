import { randomUUID } from 'node:crypto'
import { and, asc, eq, gt, isNotNull, or, sql } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { clients, providerModels } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { InvalidRedirectUri, InvalidRequest, InvalidScope, NotFound } from '../errors.ts'
import type { AccessTokenFormat } from '../resources/resources.ts'
import { isScopeToken } from '../resources/scopes.ts'
import { digest, makeOpaqueToken } from '../secrets/opaque-token.ts'
import { redirectUriProblem } from './redirect-uris.ts'

export type ClientType = 'web' | 'spa' | 'native' | 'machine'
export type Client = typeof clients.$inferSelect

export interface NewClient {
  readonly name: string
  readonly type: ClientType
  readonly redirectUris: readonly string[]
  /** What it may ask for; undefined takes the default of its type. */
  readonly scope?: readonly string[] | undefined
  /** Ours: people are not asked for consent. */
  readonly firstParty?: boolean
  /** Of its access tokens, whatever their resource; undefined leaves it to the resource. */
  readonly accessTokenFormat?: AccessTokenFormat | undefined
}

const PERSON_SCOPES = ['openid', 'profile', 'email', 'offline_access', 'profile:read']

const byId = statement((db) =>
  db
    .select()
    .from(clients)
    .where(eq(clients.id, sql.placeholder('id')))
    .prepare('find_client'),
)

/** A new client identifier; never of the form of an account's (RFC 9700 4.15). */
export const makeClientId = () => `client_${randomUUID().replaceAll('-', '')}`

/** The client with this identifier. */
export async function findClient(db: Database, id: string): Promise<Client | undefined> {
  if (id.includes('\0')) return undefined
  return (await byId(db).execute({ id }))[0]
}

/** Whether a client of this type can keep a secret (RFC 6749 2.1). */
export const isConfidential = (type: ClientType) => type === 'web' || type === 'machine'

/**
 * Registers a client. The secret of a confidential one is returned this once.
 * @throws {InvalidRedirectUri} for a redirect URI that will not do
 * @throws {InvalidScope} for a scope that is no scope token
 */
export async function createClient(
  db: Database,
  input: NewClient,
  origin: Origin = {},
): Promise<{ client: Client; secret?: string }> {
  requireRedirectUris(input.redirectUris, input.type)
  const wrong = input.scope?.find((scope) => !isScopeToken(scope))
  if (wrong !== undefined) throw new InvalidScope(`${wrong} is not a scope (RFC 6749 3.3).`)
  requireClientName(input.name)

  const secret = isConfidential(input.type) ? makeOpaqueToken() : undefined
  return db.transaction(async (tx) => {
    const [client] = await tx
      .insert(clients)
      .values({
        id: makeClientId(),
        name: input.name.trim(),
        type: input.type,
        secretDigest: secret && digest(secret),
        redirectUris: [...input.redirectUris],
        scope: [...(input.scope ?? (input.type === 'machine' ? [] : PERSON_SCOPES))],
        firstParty: input.firstParty ?? false,
        metadata: input.accessTokenFormat === undefined ? {} : { access_token_format: input.accessTokenFormat },
      })
      .returning()
    if (client === undefined) throw new Error('the client was not stored')
    await record(tx, { type: 'client.create', ...origin, clientId: client.id, details: { type: client.type } })
    return secret === undefined ? { client } : { client, secret }
  })
}

/** A page of clients in the order they were made. */
export function listClients(db: Database, limit: number, after?: { createdAt: Date; id: string }): Promise<Client[]> {
  return db
    .select()
    .from(clients)
    .where(
      after &&
        or(
          gt(clients.createdAt, after.createdAt),
          and(eq(clients.createdAt, after.createdAt), gt(clients.id, after.id)),
        ),
    )
    .orderBy(asc(clients.createdAt), asc(clients.id))
    .limit(limit)
}

/**
 * Gives a confidential client a new secret; the old one is refused from the next request on.
 * @throws {NotFound} when there is no such client, or it has no secret
 */
export async function rotateClientSecret(db: Database, id: string, now: Date, origin: Origin = {}): Promise<string> {
  const secret = makeOpaqueToken()
  await db.transaction(async (tx) => {
    const [rotated] = await tx
      .update(clients)
      .set({ secretDigest: digest(secret) })
      .where(and(eq(clients.id, id), isNotNull(clients.secretDigest)))
      .returning({ id: clients.id })
    if (rotated === undefined) throw new NotFound('There is no such client with a secret.')
    await announce(tx, [`client ${id}`], now)
    await record(tx, { type: 'client.rotate_secret', ...origin, clientId: id })
  })
  return secret
}

/**
 * Deletes a client with all its grants and tokens.
 * @throws {NotFound}
 */
export async function deleteClient(db: Database, id: string, now: Date, origin: Origin = {}): Promise<void> {
  await db.transaction(async (tx) => {
    const [deleted] = await tx.delete(clients).where(eq(clients.id, id)).returning({ id: clients.id })
    if (deleted === undefined) throw new NotFound('There is no such client.')
    await tx.delete(providerModels).where(eq(providerModels.clientId, id))
    await announce(tx, [`client ${id}`], now)
    await record(tx, { type: 'client.delete', ...origin, clientId: id })
  })
}

/** What shows nothing or moves what is shown: control, format, filler and direction characters. */
const UNSHOWN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u

/**
 * A name is shown to people who decide by it, so it holds nothing that hides or reorders its letters.
 * @throws {InvalidRequest}
 */
export function requireClientName(name: string): void {
  if (name.trim() === '' || name.length > 200)
    throw new InvalidRequest('A client needs a name of at most 200 characters.')
  if (UNSHOWN.test(name)) {
    throw new InvalidRequest('The name of a client must not hold control, invisible or direction characters.')
  }
}

/** @throws {InvalidRedirectUri} naming the first URI that will not do, or the lack of one */
export function requireRedirectUris(uris: readonly string[], type: ClientType): void {
  if (type === 'machine') {
    if (uris.length > 0) throw new InvalidRedirectUri('A machine client has no redirect URI.')
    return
  }
  if (uris.length === 0) throw new InvalidRedirectUri('This client needs a redirect URI.')
  for (const uri of uris) {
    const problem = redirectUriProblem(uri, type)
    if (problem !== undefined) throw new InvalidRedirectUri(`The redirect URI ${uri} ${problem}.`)
  }
}
