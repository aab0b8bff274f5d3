import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { type AccountKey, addAccountKey, listAccountKeys, removeAccountKey } from '../account-keys/account-keys.ts'
import { requireAccount } from '../accounts/accounts.ts'
import { record } from '../audit/audit.ts'
import { UUID } from '../database/identifiers.ts'
import { Moment } from '../http/schemas.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { AccountParams } from './account-routes.ts'
import { createOnce, IdempotencyKey } from './idempotency.ts'
import type { AdminOptions } from './routes.ts'

/** Members as RFC 7517 has them, and others that a key may have. */
const Jwk = Type.Record(Type.String(), Type.Unknown(), { description: 'A public key (RFC 7517)' })
const Key = Type.Object({ kid: Type.String(), jwk: Jwk, createdAt: Moment })
const KeyParams = Type.Object({
  id: Type.String({ pattern: UUID.source }),
  kid: Type.String({ pattern: '^[\\x21-\\x7e]{1,128}$' }),
})
const tags = ['admin']

/** The public keys of service accounts, by which they get access tokens (RFC 7523). */
export const accountKeyRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db, sealer }) => {
  const create = createOnce({ db, sealer })

  app.get(
    '/api/admin/accounts/:id/keys',
    {
      schema: {
        summary: 'List the keys of a service account',
        description: 'All of them, 20 at most, the oldest first.',
        tags,
        params: AccountParams,
        response: { 200: Type.Object({ keys: Type.Array(Key) }) },
      },
      config: { access: READ },
    },
    async (request) => {
      const { id } = request.params
      await requireAccount(db, id)
      const keys = await listAccountKeys(db, id)
      await record(db, { type: 'account_key.list', ...adminOrigin(request), subject: { kind: 'account', id } })
      return { keys: keys.map(viewOf) }
    },
  )

  app.post(
    '/api/admin/accounts/:id/keys',
    {
      schema: {
        summary: 'Give a service account a key',
        description: 'Its name is the `kid` of the JWK, else the thumbprint (RFC 7638).',
        tags,
        params: AccountParams,
        headers: IdempotencyKey,
        body: Type.Object({ jwk: Jwk }, { additionalProperties: false }),
        response: { 201: Key },
      },
      config: { access: WRITE, problems: { 409: ['key_exists', 'too_many_keys'] } },
    },
    (request, reply) =>
      create(request, reply, async (tx) => {
        const { id } = request.params
        return { view: viewOf(await addAccountKey(tx, id, request.body.jwk, new Date(), adminOrigin(request))) }
      }),
  )

  app.delete(
    '/api/admin/accounts/:id/keys/:kid',
    {
      schema: {
        summary: 'Remove a key of a service account',
        description: 'What was got by it is refused from the next request on.',
        tags,
        params: KeyParams,
        response: { 204: Type.Null() },
      },
      config: { access: WRITE },
    },
    async (request, reply) => {
      const { id, kid } = request.params
      await removeAccountKey(db, id, kid, new Date(), adminOrigin(request))
      return reply.status(204).send(null)
    },
  )
}

const viewOf = ({ kid, publicJwk, createdAt }: AccountKey) => ({
  kid,
  jwk: publicJwk,
  createdAt: createdAt.toISOString(),
})
