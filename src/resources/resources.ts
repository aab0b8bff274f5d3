import { and, eq, ne, sql } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import { announce, type Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { keyset, type Place } from '../database/keyset.ts'
import { statement } from '../database/statement.ts'
import { Conflict, InvalidTarget, NotFound } from '../errors.ts'
import { requireDefinition, requireIdentifier } from './definition.ts'
import { DETAILS_TYPES_CHANGED, type DetailsTypeDefinition } from './details-types.ts'
import { ACCESS_TOKEN_LIFETIME, resources } from './schema.ts'
import { API_SCOPES } from './scopes.ts'

/** RFC 9068 JWTs, or opaque tokens for introspection. */
export type AccessTokenFormat = 'jwt' | 'opaque'

/** What signs the access tokens for a resource that are JWTs. */
export type AccessTokenAlg = 'ES256' | 'RS256'

/** What an operator says of a resource, and may change. */
export interface ResourceDefinition {
  readonly name: string
  /** Its scopes, each with a sentence for the consent page. */
  readonly scopes: Readonly<Record<string, string>>
  /** Of the access tokens for it, unless the client has a format of its own. */
  readonly format: AccessTokenFormat
  /** Seconds that an access token for it lasts, unless what it comes of ends before. */
  readonly accessTokenLifetime: number
  readonly signingAlg: AccessTokenAlg
  /** Its types of authorization details; no other resource has one of that name. */
  readonly authorizationDetailsTypes: Readonly<Record<string, DetailsTypeDefinition>>
}

/** A protected resource that access tokens are issued for (RFC 8707). */
export interface Resource extends ResourceDefinition {
  /** An absolute URI without fragment; the `aud` of its tokens. */
  readonly identifier: string
  /** What was issued before is not for it, but for one of the same identifier that is gone. */
  readonly createdAt: Date
}

/** A resource as it is registered. */
export type NewResource = Pick<Resource, 'identifier' | 'name' | 'scopes' | 'format'> & Partial<ResourceDefinition>

/** Identifier of the resource API built into this server. */
export const builtInIdentifier = (issuer: string) => `${issuer}/api`

const DEFAULTS = {
  format: 'jwt',
  accessTokenLifetime: ACCESS_TOKEN_LIFETIME,
  signingAlg: 'ES256',
  authorizationDetailsTypes: {},
} as const

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
    return { identifier, name: 'Gatehouse API', scopes: API_SCOPES, ...DEFAULTS, createdAt: new Date(0) }
  }
  if (identifier.includes('\0')) return undefined
  return (await byIdentifier(db).execute({ identifier }))[0]
}

/**
 * The resource with this identifier.
 * @throws {InvalidTarget} when there is none
 */
export async function requireResource(db: Database, issuer: string, identifier: string): Promise<Resource> {
  const resource = await findResource(db, issuer, identifier)
  if (resource === undefined) throw new InvalidTarget(`There is no resource ${identifier}.`)
  return resource
}

/**
 * The operator's own resource with this identifier.
 * @throws {NotFound} when there is none
 */
export async function readResource(db: Database, identifier: string): Promise<Resource> {
  const [resource] = identifier.includes('\0') ? [] : await byIdentifier(db).execute({ identifier })
  if (resource === undefined) throw new NotFound('There is no such resource.')
  return resource
}

const inOrder = keyset(resources.createdAt, resources.identifier)

/** A page of the operator's own resources, in the order they were registered. */
export function listResources(db: Database, limit: number, after?: Place): Promise<Resource[]> {
  return db
    .select()
    .from(resources)
    .where(inOrder.after(after))
    .orderBy(...inOrder.order)
    .limit(limit)
}

/** Where a resource is in that order. */
export const placeOf = ({ createdAt, identifier }: Resource): Place => ({ createdAt, id: identifier })

/**
 * Registers an operator's own resource.
 * @throws {InvalidTarget} when the identifier is not an absolute URI, has a fragment, or is ours
 * @throws {InvalidRequest | InvalidScope} for what {@link requireDefinition} does not take
 * @throws {Conflict} when the identifier or a type is another's
 */
export async function createResource(
  db: Database,
  issuer: string,
  input: NewResource,
  origin: Origin = {},
): Promise<Resource> {
  const definition = { ...DEFAULTS, ...input }
  requireIdentifier(input.identifier, issuer)
  requireDefinition(definition)
  return db.transaction(async (tx) => {
    await lockResources(tx)
    const now = new Date()
    const values = { ...definition, createdAt: now }
    const [resource] = await tx.insert(resources).values(values).onConflictDoNothing().returning()
    if (resource === undefined) throw new Conflict('resource_exists', 'That resource is registered already.')
    const types = Object.keys(resource.authorizationDetailsTypes)
    await requireFree(tx, resource, types)
    await announce(tx, tagsOf(resource, types.length > 0), now)
    await record(tx, { type: 'resource.create', ...origin, details: { identifier: resource.identifier } })
    return resource
  })
}

/**
 * Changes an operator's own resource. Scopes that are taken away are not honoured from the next request on, also of
 * tokens that have them.
 * @param check looks at the resource as it is, which is held until it is changed; what it throws is thrown
 * @throws {NotFound} when there is no such resource
 * @throws {InvalidRequest | InvalidScope} for what {@link requireDefinition} does not take
 * @throws {Conflict} when a type that is added is another's
 */
export async function updateResource(
  db: Database,
  identifier: string,
  changes: Partial<ResourceDefinition>,
  origin: Origin = {},
  check: (before: Resource) => void = () => {},
): Promise<Resource> {
  return db.transaction(async (tx) => {
    const before = await holdResource(tx, identifier)
    check(before)
    const after = { ...before, ...changes }
    requireDefinition(after)
    const types = addedTo(before.authorizationDetailsTypes, after.authorizationDetailsTypes)
    const scopes = addedTo(before.scopes, after.scopes)
    await requireFree(tx, before, types)
    const isIt = eq(resources.identifier, identifier)
    const [resource] = await tx.update(resources).set(after).where(isIt).returning()
    if (resource === undefined) throw new Error('the resource was not held')
    await announce(tx, tagsOf(resource, changes.authorizationDetailsTypes !== undefined), new Date())
    const removed = addedTo(after.scopes, before.scopes)
    await record(tx, {
      type: 'resource.update',
      ...origin,
      details: { identifier, changed: Object.keys(changes), added: scopes, removed },
    })
    return resource
  })
}

/**
 * Deletes an operator's own resource: no token is issued for it any more, and those that were are refused.
 * @param check as for {@link updateResource}
 * @throws {NotFound} when there is no such resource
 */
export async function deleteResource(
  db: Database,
  identifier: string,
  origin: Origin = {},
  check: (before: Resource) => void = () => {},
): Promise<void> {
  await db.transaction(async (tx) => {
    const before = await holdResource(tx, identifier)
    check(before)
    await tx.delete(resources).where(eq(resources.identifier, identifier))
    const hasTypes = Object.keys(before.authorizationDetailsTypes).length > 0
    await announce(tx, tagsOf(before, hasTypes), new Date())
    await record(tx, { type: 'resource.delete', ...origin, details: { identifier } })
  })
}

/** Two that are written at once see each other's names. */
const lockResources = (tx: Database) => tx.execute(sql`lock table ${resources} in share row exclusive mode`)

async function holdResource(tx: Database, identifier: string): Promise<Resource> {
  await lockResources(tx)
  return readResource(tx, identifier)
}

function tagsOf({ identifier }: Resource, isOfTypes: boolean): Tag[] {
  return [`resource ${identifier}`, ...(isOfTypes ? [DETAILS_TYPES_CHANGED] : [])]
}

const addedTo = (before: object, after: object) => Object.keys(after).filter((name) => !Object.hasOwn(before, name))

async function requireFree(db: Database, { identifier }: Resource, types: readonly string[]): Promise<void> {
  for (const name of types) {
    const isTaken = and(ne(resources.identifier, identifier), sql`${resources.authorizationDetailsTypes} ? ${name}`)
    const [owner] = await db.select({ identifier: resources.identifier }).from(resources).where(isTaken).limit(1)
    if (owner !== undefined) throw new Conflict('type_exists', `The type ${name} is of ${owner.identifier} already.`)
  }
}
