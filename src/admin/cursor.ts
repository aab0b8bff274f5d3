import { InvalidRequest } from '../errors.ts'

/** A place in a list that is ordered by when its items were made. */
export interface Place {
  readonly createdAt: Date
  readonly id: string
}

/** A place as an opaque text for the caller to hand back. */
export function toCursor({ createdAt, id }: Place): string {
  return Buffer.from(`${createdAt.toISOString()} ${id}`).toString('base64url')
}

/** An instant as {@link toCursor} writes it, in years that the database takes, and a UUID. */
const FORM = /^([1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

/** @throws {InvalidRequest} for a text that {@link toCursor} did not make */
export function fromCursor(cursor: string): Place {
  const [, moment = '', id = ''] = FORM.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  const createdAt = new Date(moment)
  if (Number.isNaN(createdAt.getTime())) throw new InvalidRequest('The cursor is not one of ours.')
  return { createdAt, id }
}
