import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { type ListedApiKey, listAllApiKeys, readApiKey, revokeAnyApiKey } from '../api-keys/directory.ts'
import { record } from '../audit/audit.ts'
import { requirePrincipal } from '../credentials/plugin.ts'
import { UUID } from '../database/identifiers.ts'
import { MaybeMoment, Moment } from '../http/schemas.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { REMOVAL, removeAsRead, tagged } from './entity-tag.ts'
import { PAGE_QUERY, pageSchema, readPage } from './page.ts'
import type { AdminOptions } from './routes.ts'

const ApiKey = Type.Object({
  id: Type.String(),
  accountId: Type.String(),
  name: Type.String(),
  prefix: Type.String({ description: 'How the key begins' }),
  scopes: Type.Array(Type.String()),
  createdAt: Moment,
  expiresAt: Moment,
  revokedAt: MaybeMoment,
  lastUsedAt: MaybeMoment,
  lastUsedFrom: Type.Union([Type.String(), Type.Null()]),
  useCount: Type.Integer(),
})
const Params = Type.Object({ id: Type.String({ pattern: UUID.source }) })
const Query = Type.Object(
  { ...PAGE_QUERY, accountId: Type.Optional(Type.String({ pattern: UUID.source })) },
  { additionalProperties: false },
)
const tags = ['admin']

/** The API keys of all accounts. */
export const adminApiKeyRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db }) => {
  app.get(
    '/api/admin/api-keys',
    {
      schema: {
        summary: 'List API keys',
        description:
          'Of all accounts or of one, in the order they were made, also those that were revoked (`revokedAt`, which lies ahead while a key that was replaced lives on) or have expired.',
        tags,
        querystring: Query,
        response: { 200: pageSchema('apiKeys', ApiKey) },
      },
      config: { access: READ },
    },
    async (request) => {
      const { accountId, ...query } = request.query
      const list = listAllApiKeys.bind(undefined, db, accountId)
      const { items, next, asked } = await readPage(query, list, (key) => key)
      const { subject } = requirePrincipal(request)
      await record(db, { type: 'api_key.list', ...adminOrigin(request), subject, details: { ...asked, accountId } })
      return { apiKeys: items.map(viewOf), ...next }
    },
  )

  app.get(
    '/api/admin/api-keys/:id',
    {
      schema: {
        summary: 'Read an API key',
        description: 'What is known of it; never the key. Its ETag is another one after each use.',
        tags,
        params: Params,
        response: { 200: ApiKey },
      },
      config: { access: READ },
    },
    async (request, reply) => {
      const key = await readApiKey(db, request.params.id)
      const subject = { kind: 'account', id: key.accountId } as const
      await record(db, { type: 'api_key.read', ...adminOrigin(request), subject, details: { key: key.id } })
      return tagged(reply, viewOf(key))
    },
  )

  app.delete(
    '/api/admin/api-keys/:id',
    {
      schema: {
        summary: 'Revoke an API key',
        description: "Anybody's; it is refused from the next request on.",
        tags,
        params: Params,
        ...REMOVAL,
      },
      config: { access: WRITE },
    },
    async (request, reply) =>
      removeAsRead(request, reply, viewOf, (check) =>
        revokeAnyApiKey(db, request.params.id, new Date(), adminOrigin(request), check),
      ),
  )
}

function viewOf({ scope, createdAt, expiresAt, revokedAt, lastUsedAt, ...rest }: ListedApiKey) {
  const { id, accountId, name, prefix, lastUsedFrom, useCount } = rest
  return {
    id,
    accountId,
    name,
    prefix,
    scopes: scope,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    revokedAt: revokedAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    lastUsedFrom,
    useCount,
  }
}
