import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { listAccounts } from '../accounts/directory.ts'
import { wireRole } from '../accounts/schemas.ts'
import { record } from '../audit/audit.ts'
import { requirePrincipal } from '../credentials/plugin.ts'
import { Moment } from '../http/schemas.ts'
import { adminOrigin, READ } from './access.ts'
import { PageQuery, pageSchema, readPage } from './page.ts'
import type { AdminOptions } from './routes.ts'

const User = Type.Object({
  id: Type.String(),
  email: Type.String(),
  name: Type.Union([Type.String(), Type.Null()]),
  role: Type.String(),
  createdAt: Moment,
})

/** The accounts in short. */
export const userRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db }) => {
  app.get(
    '/api/admin/users',
    {
      schema: {
        summary: 'List accounts in short',
        description: 'The accounts in the order they were made. `GET /api/admin/accounts` tells more of each.',
        tags: ['admin'],
        querystring: PageQuery,
        response: { 200: pageSchema('users', User) },
      },
      config: { access: READ },
    },
    async (request) => {
      const list = listAccounts.bind(undefined, db, {})
      const { items, next, asked } = await readPage(request.query, list, (account) => account)
      const { subject } = requirePrincipal(request)
      await record(db, { type: 'account.list', ...adminOrigin(request), subject, details: asked })
      const users = items.map(({ id, email, name, role, createdAt }) => ({
        id,
        email,
        name,
        role: wireRole(role),
        createdAt: createdAt.toISOString(),
      }))
      return { users, ...next }
    },
  )
}
