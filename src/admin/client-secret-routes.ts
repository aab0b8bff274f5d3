import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { requireClient, rotateClientSecret } from '../clients/clients.ts'
import { NoBody } from '../http/schemas.ts'
import { adminOrigin, WRITE } from './access.ts'
import { ClientParams, locationOf, secretOf, viewOf } from './client-routes.ts'
import { ClientWithSecret } from './client-schemas.ts'
import { createOnce, IdempotencyKey } from './idempotency.ts'
import type { AdminOptions } from './routes.ts'

/** The secrets of clients. */
export const clientSecretRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db, sealer }) => {
  const create = createOnce({ db, sealer })

  app.post(
    '/api/admin/clients/:id/secret',
    {
      schema: {
        summary: 'Give a client another secret',
        description:
          'Told this once; the old one is refused from the next request on. Only for a client that has a secret.',
        tags: ['admin'],
        params: ClientParams,
        headers: IdempotencyKey,
        body: NoBody,
        response: { 201: ClientWithSecret },
      },
      config: { access: WRITE },
    },
    async (request, reply) => {
      const { id } = request.params
      return create(request, reply, async (tx) => {
        const secret = await rotateClientSecret(tx, id, new Date(), adminOrigin(request))
        const client = await requireClient(tx, id)
        return { location: locationOf(client), view: viewOf(client), secret: secretOf(secret) }
      })
    },
  )
}
