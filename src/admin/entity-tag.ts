import { hash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { InvalidRequest, PreconditionFailed, PreconditionRequired } from '../errors.ts'

/** The headers of a request that changes one thing. */
export const IF_MATCH = {
  'if-match': Type.Optional(
    Type.String({ maxLength: 1000, description: 'The ETag of what the change was decided on' }),
  ),
}
export const IfMatch = Type.Object(IF_MATCH)

/** Holds a thing, as it is told, to what a caller knows of it: in the transaction of a change, with its row locked. */
export type Precondition = (view: object) => void

/** The strong entity tag (RFC 9110 8.8.3) of what is told of a thing: another one whenever any of that changes. */
export function entityTag(view: object): string {
  return `"${hash('sha256', JSON.stringify(view), 'base64url').slice(0, 22)}"`
}

/** Sets the entity tag of the one thing that is answered. */
export function tagged<View extends object>(reply: FastifyReply, view: View): View {
  reply.header('etag', entityTag(view))
  return view
}

/** The part of a schema of a request that takes one thing away, where `If-Match` says so only as it was read. */
export const REMOVAL = { headers: IfMatch, response: { 204: Type.Null() } }

/**
 * Takes a thing away for a request, and answers it: 204.
 * @param viewOf what is told of the thing
 * @param remove takes it away, once `check` has looked at it as it is
 * @throws {PreconditionFailed | InvalidRequest} as for {@link ifMatch}
 */
export async function removeAsRead<Thing>(
  request: FastifyRequest,
  reply: FastifyReply,
  viewOf: (thing: Thing) => object,
  remove: (check: (before: Thing) => void) => Promise<void>,
): Promise<null> {
  const isAsRead = ifMatch(request)
  await remove((before) => isAsRead(viewOf(before)))
  return reply.status(204).send(null)
}

/**
 * What `If-Match` says of a change that is decided on what was read before.
 * @throws {PreconditionRequired} when it says nothing (RFC 6585 3)
 * @throws {InvalidRequest} when it is malformed
 */
export function requireIfMatch(request: FastifyRequest): Precondition {
  if (request.headers['if-match'] === undefined) throw new PreconditionRequired()
  return ifMatch(request)
}

/**
 * What `If-Match` says, where it says anything; the precondition throws {@link PreconditionFailed}.
 * @throws {InvalidRequest} when it is malformed
 */
export function ifMatch({ headers }: FastifyRequest): Precondition {
  const value = headers['if-match']?.trim()
  if (value === undefined || value === '*') return () => {}
  const tags = value.split(',').map((tag) => tag.trim())
  // A weak one is none to compare by (RFC 9110 8.8.3.2), but well-formed.
  if (!tags.every((tag) => /^(W\/)?"[\x21\x23-\x2b\x2d-\x7e]*"$/.test(tag))) {
    throw new InvalidRequest('If-Match is a list of entity tags, or *.')
  }
  return (view) => {
    if (!tags.includes(entityTag(view))) throw new PreconditionFailed()
  }
}
