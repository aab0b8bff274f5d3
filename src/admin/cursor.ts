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

/** @throws {InvalidRequest} for a text that {@link toCursor} did not make */
export function fromCursor(cursor: string): Place {
  const [moment = '', id = ''] = Buffer.from(cursor, 'base64url').toString().split(' ')
  const createdAt = new Date(moment)
  if (Number.isNaN(createdAt.getTime()) || !/^[\w-]{1,100}$/.test(id))
    throw new InvalidRequest('The cursor is not one of ours.')
  return { createdAt, id }
}
