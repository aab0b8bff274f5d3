import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Email, Name, NewPassword } from '../accounts/schemas.ts'
import type { Database } from '../database/client.ts'
import { PublicError } from '../errors.ts'
import { createErrorHandler } from '../http/error-handler.ts'
import { respondWithPage } from '../http/error-page.ts'
import { requireSameOrigin } from '../http/same-origin.ts'
import { renderView } from '../http/views.ts'
import type { Limit } from '../limits/limits.ts'
import { networkOf } from '../limits/networks.ts'
import { createFirstAdministrator, isOffered, linkIsOver } from './first-administrator.ts'

const Token = Type.String({ pattern: '^[\\w-]{43}$' })
const Query = Type.Object({ token: Token }, { additionalProperties: false })
const Setup = Type.Object(
  { token: Token, email: Email, password: NewPassword, name: Type.Optional(Name) },
  { additionalProperties: false },
)

export interface SetupRoutesOptions {
  readonly db: Database
  readonly issuer: string
  /** One-time links that are not good, by network. */
  readonly attempts: Limit
}

/** The page behind the one-time link that the first start prints. */
export const setupRoutes: FastifyPluginAsyncTypebox<SetupRoutesOptions> = async (app, { db, issuer, attempts }) => {
  const host = new URL(issuer).hostname
  await app.register(formbody)
  app.setErrorHandler(createErrorHandler(respondWithPage))
  app.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))

  app.get('/setup', { schema: { querystring: Query } }, async (request, reply) => {
    const network = networkOf(request.ip)
    await attempts.requireLeft(network)
    if (!(await isOffered(db, request.query.token, new Date()))) {
      await attempts.count(network)
      throw linkIsOver()
    }
    return reply
      .type('text/html; charset=utf-8')
      .send(renderView('setup', { action: '/setup', token: request.query.token }))
  })

  app.post('/setup', { schema: { body: Setup } }, async (request, reply) => {
    requireSameOrigin(request, [issuer], { proof: false })
    const { token, ...input } = request.body
    const network = networkOf(request.ip)
    await attempts.requireLeft(network)
    reply.type('text/html; charset=utf-8')
    try {
      const account = await createFirstAdministrator(db, token, { ...input, host }, new Date(), { from: request.ip })
      return reply.send(renderView('setup-done', { email: account.email }))
    } catch (error) {
      if (error instanceof PublicError && error.code === 'link_expired') await attempts.count(network)
      if (!(error instanceof PublicError) || error.status >= 500 || error.code === 'link_expired') throw error
      const again = { action: '/setup', token, email: input.email, name: input.name, error: error.message }
      return reply.status(error.status).send(renderView('setup', again))
    }
  })
}
