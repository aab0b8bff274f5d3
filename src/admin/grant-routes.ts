import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { record } from '../audit/audit.ts'
import { requirePrincipal } from '../credentials/plugin.ts'
import { UUID } from '../database/identifiers.ts'
import { type ListedGrant, listAllGrants, placeOfGrant, readGrant, revokeGrant } from '../grants/directory.ts'
import { Moment } from '../http/schemas.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { REMOVAL, removeAsRead, tagged } from './entity-tag.ts'
import { PAGE_QUERY, pageSchema, readPage } from './page.ts'
import type { AdminOptions } from './routes.ts'

const Grant = Type.Object({
  id: Type.String(),
  accountId: Type.String(),
  clientId: Type.String(),
  clientName: Type.String(),
  scopes: Type.Array(Type.String()),
  resources: Type.Array(Type.Object({ identifier: Type.String(), scopes: Type.Array(Type.String()) })),
  authorizationDetailsTypes: Type.Array(Type.String()),
  createdAt: Moment,
  expiresAt: Moment,
})
const ID = /^[\w-]{21,64}$/
const Params = Type.Object({ id: Type.String({ pattern: ID.source }) })
const Query = Type.Object(
  {
    ...PAGE_QUERY,
    accountId: Type.Optional(Type.String({ pattern: UUID.source })),
    clientId: Type.Optional(Type.String({ maxLength: 200 })),
  },
  { additionalProperties: false },
)
const tags = ['admin']

/** What people have allowed which client. */
export const grantRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db }) => {
  app.get(
    '/api/admin/grants',
    {
      schema: {
        summary: 'List grants',
        description:
          'Those that have not ended, in the order in which they end; all, or those of an account or a client.',
        tags,
        querystring: Query,
        response: { 200: pageSchema('grants', Grant) },
      },
      config: { access: READ },
    },
    async (request) => {
      const { accountId, clientId, ...query } = request.query
      const list = listAllGrants.bind(undefined, db, { accountId, clientId }, new Date())
      const { items, next, asked } = await readPage(query, list, placeOfGrant, ID)
      const { subject } = requirePrincipal(request)
      const details = { ...asked, accountId, ofClient: clientId }
      await record(db, { type: 'grant.list', ...adminOrigin(request), subject, details })
      return { grants: items.map(viewOf), ...next }
    },
  )

  app.get(
    '/api/admin/grants/:id',
    {
      schema: {
        summary: 'Read a grant',
        description: 'By its identifier, the `grant_id` of access tokens.',
        tags,
        params: Params,
        response: { 200: Grant },
      },
      config: { access: READ },
    },
    async (request, reply) => {
      const grant = await readGrant(db, request.params.id, new Date())
      const subject = { kind: 'account', id: grant.accountId } as const
      await record(db, { type: 'grant.read', ...adminOrigin(request), subject, details: { grant: grant.id } })
      return tagged(reply, viewOf(grant))
    },
  )

  app.delete(
    '/api/admin/grants/:id',
    {
      schema: {
        summary: 'Revoke a grant',
        description: 'With all that was issued under it: its tokens, JWTs too, are refused from the next request on.',
        tags,
        params: Params,
        ...REMOVAL,
      },
      config: { access: WRITE },
    },
    async (request, reply) =>
      removeAsRead(request, reply, viewOf, (check) =>
        revokeGrant(db, request.params.id, new Date(), adminOrigin(request), check),
      ),
  )
}

function viewOf({ scope, resources, detailsTypes, createdAt, expiresAt, ...rest }: ListedGrant) {
  return {
    ...rest,
    scopes: [...scope],
    resources: Object.entries(resources).map(([identifier, scope]) => ({ identifier, scopes: scope.split(' ') })),
    authorizationDetailsTypes: [...detailsTypes],
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  }
}
