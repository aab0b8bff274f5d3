import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { requirePrincipal } from '../credentials/plugin.ts'
import type { Database } from '../database/client.ts'
import { makeOnce } from '../idempotency-keys/idempotency-keys.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { tagged } from './entity-tag.ts'

/** The headers of a request that makes something. */
export const IdempotencyKey = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^[\\x20-\\x7e]{1,255}$',
      description: 'A name for this request: sent again within a day, it gets the same answer and makes nothing',
    }),
  ),
})

/** What was made, as it is answered. */
export interface Made<View extends object> {
  /** Where it is from now on, when it can be read. */
  readonly location?: string
  /** What is told of the thing; where `secret` is told with it, without that. */
  readonly view: View
  /** What is told this once. */
  readonly secret?: object
}

/**
 * Makes something for a request and answers it: 201, its `Location` and `ETag`. With an `Idempotency-Key` it is made once,
 * and whoever sends the same again gets the same answer.
 */
export type Create = <View extends object, Secret extends object = object>(
  request: FastifyRequest,
  reply: FastifyReply,
  make: (tx: Database) => Promise<Made<View> & { readonly secret?: Secret }>,
) => Promise<View & Secret>

/**
 * @throws {IdempotencyKeyReused} from what it returns, when the key was given to another request of the same principal
 */
export function createOnce({ db, sealer }: { db: Database; sealer: Sealer }): Create {
  return async (request, reply, make) => {
    const key = request.headers['idempotency-key']
    const { location, view, secret } =
      typeof key === 'string'
        ? await makeOnce(db, sealer, { ...namesOf(request), key }, new Date(), make)
        : await db.transaction(make)
    if (location !== undefined) reply.header('location', location)
    tagged(reply.status(201), view)
    return { ...view, ...secret } as never
  }
}

function namesOf(request: FastifyRequest): { by: string; request: string } {
  const { kind, id } = requirePrincipal(request).subject
  return { by: `${kind} ${id}`, request: JSON.stringify([request.method, request.url, request.body]) }
}
