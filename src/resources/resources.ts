import { eq, sql } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { resources } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { Conflict, InvalidRequest, InvalidScope } from '../errors.ts'
import { API_SCOPES, isScopeToken, OPENID_SCOPES } from './scopes.ts'

/** RFC 9068 JWTs, or opaque tokens for introspection. */
export type AccessTokenFormat = 'jwt' | 'opaque'

/** A protected resource that access tokens are issued for (RFC 8707). */
export interface Resource {
  /** An absolute URI without fragment; the `aud` of its tokens. */
  readonly identifier: string
  readonly name: string
  /** Its scopes, each with a sentence for the consent page. */
  readonly scopes: Readonly<Record<string, string>>
  /** Of the access tokens for it, unless the client has a format of its own. */
  readonly format: AccessTokenFormat
}

/** Identifier of the resource API built into this server. */
export const builtInIdentifier = (issuer: string) => `${issuer}/api`

const byIdentifier = statement((db) =>
  db
    .select()
    .from(resources)
    .where(eq(resources.identifier, sql.placeholder('identifier')))
    .prepare('find_resource'),
)

/** The resource with this identifier, compared as an exact string. */
export async function findResource(db: Database, issuer: string, identifier: string): Promise<Resource | undefined> {
  if (identifier === builtInIdentifier(issuer)) {
    return { identifier, name: 'Gatehouse API', scopes: API_SCOPES, format: 'jwt' }
  }
  if (identifier.includes('\0')) return undefined
  return (await byIdentifier(db).execute({ identifier }))[0]
}

/**
 * Registers an operator's own resource.
 * @throws {InvalidRequest} when the identifier is not an absolute URI, has a fragment, or is ours
 * @throws {InvalidScope} when a scope is not a scope token, or is one of OpenID Connect's or ours
 * @throws {Conflict} when the identifier is taken
 */
export async function createResource(
  db: Database,
  issuer: string,
  input: Resource,
  origin: Origin = {},
): Promise<Resource> {
  const url = URL.parse(input.identifier)
  if (url === null || input.identifier.includes('#') || /[\s\p{Cc}]/u.test(input.identifier)) {
    throw new InvalidRequest('A resource identifier is an absolute URI without a fragment (RFC 8707 2).')
  }
  if (url.origin === new URL(issuer).origin) throw new InvalidRequest('That identifier is this server itself.')
  for (const scope of Object.keys(input.scopes)) {
    if (!isScopeToken(scope)) throw new InvalidScope(`${scope} is not a scope (RFC 6749 3.3).`)
    if (scope in OPENID_SCOPES || scope in API_SCOPES) throw new InvalidScope(`The scope ${scope} is taken.`)
  }
  return db.transaction(async (tx) => {
    const [resource] = await tx.insert(resources).values(input).onConflictDoNothing().returning()
    if (resource === undefined) throw new Conflict('resource_exists', 'That resource is registered already.')
    await record(tx, { type: 'resource.create', ...origin, details: { identifier: resource.identifier } })
    return resource
  })
}
