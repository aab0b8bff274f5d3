import { type TObject, type TProperties, Type } from 'typebox'
import { UUID } from '../database/identifiers.ts'
import type { Place } from '../database/keyset.ts'
import { InvalidRequest } from '../errors.ts'

const DEFAULT_LIMIT = 50
const MOST = 200

/** What every list takes in its query; a list with filters adds its own. */
export const PAGE_QUERY = {
  limit: Type.Optional(
    Type.String({
      pattern: '^[1-9][0-9]{0,2}$',
      description: `How many at most, ${MOST} or less; ${DEFAULT_LIMIT} by default`,
    }),
  ),
  cursor: Type.Optional(Type.String({ maxLength: 400, description: 'Where to go on: the `next` of the page before' })),
}

/** The query of a list that has no filters. */
export const PageQuery = Type.Object(PAGE_QUERY, { additionalProperties: false })

/** The schema of a page: its items under the name of their noun, and how to go on where there are more. */
export function pageSchema<Name extends string, Item extends TObject<TProperties>>(name: Name, item: Item) {
  const items = { [name]: Type.Array(item) } as { [key in Name]: ReturnType<typeof Type.Array<Item>> }
  return Type.Object({ ...items, ...NEXT })
}

const NEXT = { next: Type.Optional(Type.String({ description: 'The cursor of the next page; none on the last' })) }

/** A page, and what it was asked for. */
export interface Page<Item> {
  readonly items: Item[]
  /** To be spread into the answer. */
  readonly next: { readonly next?: string }
  /** To be told in the audit. */
  readonly asked: { readonly limit: number; readonly after: string | undefined }
}

/**
 * Reads a page of a list. The cursor is the place of the last item of the page before, so that what comes or goes
 * meanwhile shifts nothing, and no page costs more than the first.
 * @param list the items after a place, in their order, as many as are asked for
 * @param placeOf where an item is in that order
 * @param form how identifiers are written there, as a whole
 * @throws {InvalidRequest} for a limit or a cursor that will not do
 */
export async function readPage<Item>(
  query: { readonly limit?: string; readonly cursor?: string },
  list: (limit: number, after: Place | undefined) => Promise<Item[]>,
  placeOf: (item: Item) => Place,
  form = UUID,
): Promise<Page<Item>> {
  const limit = Number(query.limit ?? DEFAULT_LIMIT)
  if (limit > MOST) throw new InvalidRequest(`A page has at most ${MOST} items.`)
  const after = query.cursor === undefined ? undefined : fromCursor(query.cursor, form)
  const found = await list(limit + 1, after)
  const items = found.slice(0, limit)
  const last = items.at(-1)
  const next = found.length > limit && last !== undefined ? { next: toCursor(placeOf(last)) } : {}
  return { items, next, asked: { limit, after: after?.id } }
}

/** A place as an opaque text for the caller to hand back. */
export function toCursor({ createdAt, id }: Place): string {
  return Buffer.from(`${createdAt.toISOString()} ${id}`).toString('base64url')
}

/** An instant as {@link toCursor} writes it, in years that the database takes, and an identifier. */
const FORM = /^([1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([\x21-\x7e]+)$/

/** @throws {InvalidRequest} for a text that {@link toCursor} did not make of an identifier of that form */
export function fromCursor(cursor: string, form = UUID): Place {
  const [, moment = '', id = ''] = FORM.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  const place = { createdAt: new Date(moment), id }
  const isOurs = form.test(id) && !Number.isNaN(place.createdAt.getTime()) && toCursor(place) === cursor
  if (!isOurs) throw new InvalidRequest('The cursor is not one of ours.')
  return place
}
