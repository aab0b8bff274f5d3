import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { requireAccount } from '../accounts/accounts.ts'
import { record } from '../audit/audit.ts'
import { UUID } from '../database/identifiers.ts'
import { MaybeText, Moment } from '../http/schemas.ts'
import { listIdentities, removeIdentity } from '../upstreams/identities.ts'
import { UPSTREAM_ID } from '../upstreams/upstreams.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { AccountParams } from './account-routes.ts'
import type { AdminOptions } from './routes.ts'

const Identity = Type.Object({
  upstream: MaybeText,
  name: MaybeText,
  issuer: Type.String(),
  sub: Type.String(),
  linkedAt: Moment,
})
const IdentityParams = Type.Object({
  id: Type.String({ pattern: UUID.source }),
  upstream: Type.String({ pattern: UPSTREAM_ID.source }),
})
const tags = ['admin']

/** Who the people of accounts are at upstream providers. */
export const accountIdentityRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db }) => {
  app.get(
    '/api/admin/accounts/:id/identities',
    {
      schema: {
        summary: 'List the identities of an account',
        description:
          'By whom one signs in to it at upstream providers, the oldest first; `upstream` and `name` are null where the provider has been deleted.',
        tags,
        params: AccountParams,
        response: { 200: Type.Object({ identities: Type.Array(Identity) }) },
      },
      config: { access: READ },
    },
    async (request) => {
      const { id } = request.params
      await requireAccount(db, id)
      const identities = await listIdentities(db, id)
      await record(db, { type: 'identity.list', ...adminOrigin(request), subject: { kind: 'account', id } })
      return { identities }
    },
  )

  app.delete(
    '/api/admin/accounts/:id/identities/:upstream',
    {
      schema: {
        summary: 'Remove an identity of an account',
        description: 'Ends the sessions that came of it. It may be the last way to sign in.',
        tags,
        params: IdentityParams,
        response: { 204: Type.Null() },
      },
      config: { access: WRITE },
    },
    async (request, reply) => {
      const { id, upstream } = request.params
      await removeIdentity(db, id, upstream, new Date(), adminOrigin(request))
      return reply.status(204).send(null)
    },
  )
}
