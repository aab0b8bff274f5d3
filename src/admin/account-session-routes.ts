import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { requireAccount } from '../accounts/accounts.ts'
import { record } from '../audit/audit.ts'
import { UUID } from '../database/identifiers.ts'
import { Moment } from '../http/schemas.ts'
import { endOwnSessions, listSessions } from '../sessions/own-sessions.ts'
import { signOutEverywhere } from '../sessions/sign-out-everywhere.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { AccountParams } from './account-routes.ts'
import { PageQuery, pageSchema, readPage } from './page.ts'
import type { AdminOptions } from './routes.ts'

const Session = Type.Object({ id: Type.String(), authenticatedAt: Moment, lastUsedAt: Moment, expiresAt: Moment })
const SessionParams = Type.Object({
  id: Type.String({ pattern: UUID.source }),
  sessionId: Type.String({ pattern: UUID.source }),
})
const tags = ['admin']

/** Where accounts are signed in. A session goes with the single sign-on of the same sign-in, in our pages too. */
export const accountSessionRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db }) => {
  app.get(
    '/api/admin/accounts/:id/sessions',
    {
      schema: {
        summary: 'List the sessions of an account',
        description: 'Those that have not ended, the newest first.',
        tags,
        params: AccountParams,
        querystring: PageQuery,
        response: { 200: pageSchema('sessions', Session) },
      },
      config: { access: READ },
    },
    async (request) => {
      const { id } = request.params
      await requireAccount(db, id)
      const now = new Date()
      const { items, next, asked } = await readPage(
        request.query,
        (limit, after) => listSessions(db, id, now, { limit, after }),
        (session) => ({ createdAt: session.authenticatedAt, id: session.id }),
      )
      const subject = { kind: 'account', id } as const
      await record(db, { type: 'session.list', ...adminOrigin(request), subject, details: asked })
      const sessions = items.map(({ id, authenticatedAt, lastUsedAt, expiresAt }) => ({
        id,
        authenticatedAt: authenticatedAt.toISOString(),
        lastUsedAt: lastUsedAt.toISOString(),
        expiresAt: expiresAt.toISOString(),
      }))
      return { sessions, ...next }
    },
  )

  app.delete(
    '/api/admin/accounts/:id/sessions/:sessionId',
    {
      schema: {
        summary: 'End a session of an account',
        description:
          'With the single sign-on of the same sign-in, and what applications got without offline access. Its tokens are refused from the next request on.',
        tags,
        params: SessionParams,
        response: { 204: Type.Null() },
      },
      config: { access: WRITE },
    },
    async (request, reply) => {
      const { id, sessionId } = request.params
      await endOwnSessions(db, id, { id: sessionId }, new Date(), adminOrigin(request))
      return reply.status(204).send(null)
    },
  )

  app.delete(
    '/api/admin/accounts/:id/sessions',
    {
      schema: {
        summary: 'Sign an account out everywhere',
        description:
          'Ends all its sessions and single sign-ons; API keys and offline access stay. Tells how many sessions.',
        tags,
        params: AccountParams,
        response: { 200: Type.Object({ ended: Type.Integer() }) },
      },
      config: { access: WRITE },
    },
    async (request) => {
      const { id } = request.params
      await requireAccount(db, id)
      return { ended: await signOutEverywhere(db, id, new Date(), adminOrigin(request)) }
    },
  )
}
