import { asc, type Column, desc, type SQL, sql } from 'drizzle-orm'

/** A place in a list that is ordered by a moment and, within it, by identifiers. */
export interface Place {
  readonly createdAt: Date
  readonly id: string
}

/** How a list is ordered: by a column of moments and one of identifiers, both one way. */
export interface Keyset {
  readonly order: SQL[]
  /** The condition that a row comes after a place. */
  after(place: Place | undefined): SQL | undefined
}

/**
 * Has a list go on after a place by what orders it, so that an index of both columns finds the next page at once however
 * far it is: the comparison of rows is a range of that index, which two comparisons joined by `or` are not.
 */
export function keyset(moment: Column, id: Column, direction: 'oldest' | 'newest' = 'oldest'): Keyset {
  const [order, beyond] = direction === 'oldest' ? [asc, sql`>`] : [desc, sql`<`]
  return {
    order: [order(moment), order(id)],
    after: (place) =>
      place && sql`(${moment}, ${id}) ${beyond} (${sql.param(place.createdAt, moment)}, ${sql.param(place.id, id)})`,
  }
}
