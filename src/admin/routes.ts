import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { listAccounts } from '../accounts/accounts.ts'
import { wireRole } from '../accounts/schemas.ts'
import { record } from '../audit/audit.ts'
import { originOf, requirePrincipal } from '../credentials/plugin.ts'
import type { Database } from '../database/client.ts'
import { InvalidRequest } from '../errors.ts'
import { fromCursor, toCursor } from './cursor.ts'

const Page = Type.Object(
  {
    limit: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,2}$' })),
    cursor: Type.Optional(Type.String({ maxLength: 300 })),
  },
  { additionalProperties: false },
)

/** What administrators see. */
export const adminRoutes: FastifyPluginAsyncTypebox<{ db: Database }> = async (app, { db }) => {
  app.get(
    '/api/admin/users',
    { schema: { querystring: Page }, config: { access: { credentials: 'any', role: 'admin', scope: 'admin:read' } } },
    async (request) => {
      const limit = Number(request.query.limit ?? 50)
      if (limit > 200) throw new InvalidRequest('A page has at most 200 items.')
      const after = request.query.cursor === undefined ? undefined : fromCursor(request.query.cursor)
      const accounts = await listAccounts(db, limit + 1, after)
      const { subject } = requirePrincipal(request)
      await record(db, { type: 'account.list', ...originOf(request), subject, details: { limit, after: after?.id } })
      const page = accounts.slice(0, limit)
      const last = page.at(-1)
      return {
        users: page.map(({ id, email, name, role, createdAt }) => ({
          id,
          email,
          name,
          role: wireRole(role),
          createdAt,
        })),
        ...(accounts.length > limit && last !== undefined ? { next: toCursor(last) } : {}),
      }
    },
  )
}
