import { eq } from 'drizzle-orm'
import { record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { clients, providerModels } from '../database/schema.ts'
import { InvalidRequest } from '../errors.ts'
import { removeGrants } from '../grants/grants.ts'
import { isPlainHost } from '../http/plain-host.ts'
import type { Client } from './clients.ts'
import { type ClientMetadata, fromRegistration } from './metadata.ts'
import { requireRoom } from './quota.ts'

/** As long as an identifier of a client may be anywhere. */
const MAX_LENGTH = 200
const SHARED_SECRETS = ['client_secret_basic', 'client_secret_post', 'client_secret_jwt']

/** Whether a client identifier has the form of a URL, which no other client's has. */
export const isDocumentUrl = (id: string): boolean => /^https?:/i.test(id)

/**
 * What is wrong with a URL as the identifier of a client, or undefined when nothing is (Client ID Metadata Document 3):
 * it is https, without fragment and user, and in one spelling, which has no dot segments.
 * @param isLocal whether http will do, for a loopback host
 */
export function documentUrlProblem(id: string, isLocal: boolean): string | undefined {
  const url = URL.parse(id)
  if (url === null || url.href !== id || !isPlainHost(url)) return 'must be a URL in its one spelling'
  if (id.length > MAX_LENGTH) return `must have ${MAX_LENGTH} characters at most`
  if (url.protocol !== 'https:' && !isLocal) return 'must be an https URL'
  if (id.includes('#')) return 'must not have a fragment'
  if (url.username !== '' || url.password !== '') return 'must not have a user name'
  return undefined
}

/**
 * A client as the document at its identifier describes it (Client ID Metadata Document 4). It is public, or has keys;
 * it is held to the rules of registration. Grant types that are not offered here are other servers' affair.
 * @throws {InvalidRequest | InvalidRedirectUri | InvalidScope} for a document that will not do
 */
export function fromDocument(id: string, document: unknown): Omit<Client, 'createdAt'> {
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new InvalidRequest('The document is no JSON object.')
  const metadata = document as ClientMetadata
  if (metadata.client_id !== id) throw new InvalidRequest('The client_id of the document is not its URL.')
  const { token_endpoint_auth_method: method = 'none', client_name: name = new URL(id).host, scope } = metadata
  if ('client_secret' in metadata || SHARED_SECRETS.includes(method as string))
    throw new InvalidRequest('A client that is described by a document has no secret that it shares.')
  if (typeof name !== 'string') throw new InvalidRequest('client_name must be a string.')
  if (scope !== undefined && typeof scope !== 'string') throw new InvalidRequest('scope must be a string.')
  requireIncluded(metadata, 'grant_types', 'authorization_code')
  requireIncluded(metadata, 'response_types', 'code')
  const redirectUris = stringsOf(metadata, 'redirect_uris') ?? []
  stringsOf(metadata, 'post_logout_redirect_uris')
  const isNative = redirectUris.some((uri) => !uri.startsWith('https:'))
  return fromRegistration({
    ...metadata,
    client_name: name,
    redirect_uris: redirectUris,
    grant_types: ['authorization_code'],
    token_endpoint_auth_method: method,
    application_type: metadata.application_type ?? (isNative ? 'native' : 'web'),
    allowed_scope: scope,
  })
}

function stringsOf(metadata: ClientMetadata, name: string): string[] | undefined {
  const value = metadata[name]
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value
  throw new InvalidRequest(`${name} must be an array of strings.`)
}

function requireIncluded(metadata: ClientMetadata, name: string, needed: string): void {
  if (!(stringsOf(metadata, name) ?? [needed]).includes(needed)) throw new InvalidRequest(`${name} lacks ${needed}.`)
}

/**
 * Stores what a document says now. Grants were given to who it described before: when a redirect URI is gone, or the
 * client authenticates in another way, they end with all their tokens.
 * @param most how many clients there may be that nobody registered
 * @throws {TooManyClients} when there are as many
 */
export async function keepDocument(
  db: Database,
  client: Omit<Client, 'createdAt'>,
  { freshUntil, most, now }: { freshUntil: Date; most: number; now: Date },
): Promise<void> {
  const values = { ...client, documentFreshUntil: freshUntil }
  await db.transaction(async (tx) => {
    const [before] = await tx.select().from(clients).where(eq(clients.id, client.id)).for('update')
    if (before === undefined) {
      await requireRoom(tx, most)
      const made = await tx.insert(clients).values(values).onConflictDoNothing().returning({ id: clients.id })
      if (made.length > 0)
        await record(tx, { type: 'client.register', clientId: client.id, details: { by: 'document' } })
      return
    }
    const { usedAt: _, ...changes } = values
    await tx.update(clients).set(changes).where(eq(clients.id, client.id))
    await announce(tx, [`client ${client.id}`], now, !isSameParty(before, client))
    if (isSame(before, client)) return
    const ended = isSameParty(before, client) ? [] : await removeGrants(tx, eq(providerModels.clientId, client.id), now)
    await record(tx, {
      type: 'client.update',
      clientId: client.id,
      details: { by: 'document', grantsEnded: ended.length },
    })
  })
}

type Described = Omit<Client, 'createdAt' | 'documentFreshUntil' | 'usedAt'>

/** Members of a jsonb column come back in another order. */
function isSame(before: Described, now: Described): boolean {
  const text = ({ name, type, redirectUris, scope, metadata }: Described) =>
    JSON.stringify([
      name,
      type,
      redirectUris,
      scope,
      Object.entries(metadata)
        .filter(([, value]) => value !== undefined)
        .sort(),
    ])
  return text(before) === text(now)
}

function isSameParty(before: Described, now: Described): boolean {
  const authentication = ({ metadata }: Described) => [metadata.token_endpoint_auth_method, metadata.jwks_uri].join(' ')
  return (
    before.redirectUris.every((uri) => now.redirectUris.includes(uri)) && authentication(before) === authentication(now)
  )
}
