import { sql } from 'drizzle-orm'
import type { Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import type { LiveChanges } from '../database/live-changes.ts'
import { InvalidRequest } from '../errors.ts'
import { resources } from './schema.ts'

/** What an operator says of a type of authorization details (RFC 9396 2). */
export interface DetailsTypeDefinition {
  /** What it allows, for the consent page. */
  readonly sentence: string
  /** The fields it must have, and those it may have, besides the common ones of RFC 9396 2.2. */
  readonly required: readonly string[]
  readonly optional: readonly string[]
}

export interface DetailsType extends DetailsTypeDefinition {
  readonly name: string
  /** The identifier of the resource whose it is. */
  readonly resource: string
}

/** The types that there are, in this process. */
export interface DetailsTypes {
  names(): string[]
  find(name: string): DetailsType | undefined
  /** Has a listener told from now on, each time there are others. */
  onReplaced(listener: () => void): void
}

/** That another resource has types. */
export const DETAILS_TYPES_CHANGED: Tag = 'resource details-types'

const NAME = /^[A-Za-z0-9][\w.:/#-]{0,99}$/
const FIELD = /^[A-Za-z]\w{0,49}$/
/** The fields that any type may have (RFC 9396 2.2), besides its own. */
export const COMMON_FIELDS: ReadonlySet<string> = new Set([
  'type',
  'locations',
  'actions',
  'datatypes',
  'identifier',
  'privileges',
])

/** @throws {InvalidRequest} for types with a name, a field or a sentence that will not do */
export function requireDetailsTypes(types: Readonly<Record<string, DetailsTypeDefinition>>): void {
  for (const [name, { sentence, required, optional }] of Object.entries(types)) {
    if (!NAME.test(name) || name === 'constructor') throw new InvalidRequest(`${name} is no name of a type.`)
    const fields = [...required, ...optional]
    const wrong = fields.find((field) => !FIELD.test(field) || COMMON_FIELDS.has(field) || field === 'constructor')
    if (wrong !== undefined || new Set(fields).size !== fields.length)
      throw new InvalidRequest(`The type ${name} has a field that will not do.`)
    if (sentence.trim() === '' || sentence.length > 200)
      throw new InvalidRequest(`The type ${name} needs a sentence of at most 200 characters.`)
  }
}

/** Loads the types, and follows those that are registered later. */
export async function followDetailsTypes(
  db: Database,
  changes: LiveChanges,
  onError: (error: unknown) => void,
): Promise<DetailsTypes> {
  let types = await loadDetailsTypes(db)
  let work = Promise.resolve()
  const listeners = new Set<() => void>()
  const look = async () => {
    const next = await loadDetailsTypes(db)
    if (JSON.stringify([...next]) === JSON.stringify([...types])) return
    types = next
    for (const listener of listeners) listener()
  }
  const enqueue = () => {
    work = work.then(look).then(undefined, onError)
  }
  changes.tell({ forget: (tag) => tag === DETAILS_TYPES_CHANGED && enqueue(), forgetAll: enqueue })

  return {
    names: () => [...types.keys()],
    find: (name) => types.get(name),
    onReplaced: (listener) => void listeners.add(listener),
  }
}

async function loadDetailsTypes(db: Database): Promise<Map<string, DetailsType>> {
  const rows = await db
    .select({ resource: resources.identifier, types: resources.authorizationDetailsTypes })
    .from(resources)
    .where(sql`${resources.authorizationDetailsTypes} <> '{}'`)
    .orderBy(resources.createdAt, resources.identifier)
  const all = rows.flatMap(({ resource, types }) =>
    Object.entries(types).map(([name, definition]) => ({ name, resource, ...definition })),
  )
  return new Map(all.map((type) => [type.name, type]))
}
