import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { record } from '../audit/audit.ts'
import {
  DEFAULT_DAYS,
  DEFAULT_REGISTRATIONS,
  type InitialAccessToken,
  issueInitialAccessToken,
  listInitialAccessTokens,
  MOST_DAYS,
  MOST_REGISTRATIONS,
  revokeInitialAccessToken,
} from '../clients/initial-access-tokens.ts'
import { requirePrincipal } from '../credentials/plugin.ts'
import { Moment } from '../http/schemas.ts'
import { digest } from '../secrets/opaque-token.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { createOnce, IdempotencyKey } from './idempotency.ts'
import { PageQuery, pageSchema, readPage } from './page.ts'
import type { AdminOptions } from './routes.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const DIGEST = /^[\w-]{43}$/
const TOKEN = {
  id: Type.String(),
  expiresAt: Moment,
  clients: Type.Integer({ description: 'How many clients it may register' }),
  registered: Type.Integer({ description: 'How many it has' }),
}
const New = Type.Object(
  {
    days: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_DAYS })),
    clients: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_REGISTRATIONS })),
  },
  { additionalProperties: false },
)
const PATH = '/api/admin/initial-access-tokens'
const tags = ['admin']

/** Tokens with which clients register themselves (RFC 7591 3). */
export const initialAccessTokenRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db, sealer }) => {
  const create = createOnce({ db, sealer })

  app.get(
    PATH,
    {
      schema: {
        summary: 'List initial access tokens',
        description: 'Those that have not expired, without the tokens themselves; what expires first comes first.',
        tags,
        querystring: PageQuery,
        response: { 200: pageSchema('initialAccessTokens', Type.Object(TOKEN)) },
      },
      config: { access: READ },
    },
    async (request) => {
      const list = listInitialAccessTokens.bind(undefined, db, new Date())
      const placeOf = ({ expiresAt, id }: InitialAccessToken) => ({ createdAt: expiresAt, id })
      const { items, next, asked } = await readPage(request.query, list, placeOf, DIGEST)
      const { subject } = requirePrincipal(request)
      await record(db, { type: 'initial_access_token.list', ...adminOrigin(request), subject, details: asked })
      return { initialAccessTokens: items, ...next }
    },
  )

  app.post(
    PATH,
    {
      schema: {
        summary: 'Issue an initial access token',
        description: `Shown this once. Good for ${DEFAULT_DAYS} days and ${DEFAULT_REGISTRATIONS} clients unless it is said.`,
        tags,
        headers: IdempotencyKey,
        body: New,
        response: { 201: Type.Object({ ...TOKEN, token: Type.String() }) },
      },
      config: { access: WRITE },
    },
    (request, reply) =>
      create(request, reply, async (tx) => {
        const { days = DEFAULT_DAYS, clients = DEFAULT_REGISTRATIONS } = request.body
        const now = new Date()
        const expiresAt = new Date(now.getTime() + days * DAY_MS)
        const token = await issueInitialAccessToken(tx, expiresAt, now, adminOrigin(request), clients)
        const view = { id: digest(token), expiresAt: expiresAt.toISOString(), clients, registered: 0 }
        return { view, secret: { token } }
      }),
  )

  app.delete(
    `${PATH}/:id`,
    {
      schema: {
        summary: 'Revoke an initial access token',
        description: 'It registers no more; what it registered stays.',
        tags,
        params: Type.Object({ id: Type.String({ pattern: DIGEST.source }) }),
        response: { 204: Type.Null() },
      },
      config: { access: WRITE },
    },
    async (request, reply) => {
      await revokeInitialAccessToken(db, request.params.id, adminOrigin(request))
      return reply.status(204).send(null)
    },
  )
}
