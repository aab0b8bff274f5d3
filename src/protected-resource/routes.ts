import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { wireRole } from '../accounts/schemas.ts'
import { accountOf, requirePrincipal } from '../credentials/plugin.ts'
import type { Principal } from '../credentials/principal.ts'
import type { Database } from '../database/client.ts'

/** Who am I, for any credential. */
export const meRoutes: FastifyPluginAsyncTypebox<{ db: Database }> = async (app, { db }) => {
  app.get('/api/me', { config: { access: { credentials: 'any' } } }, async (request) => {
    const principal = requirePrincipal(request)
    return { ...described(principal), ...(await profile(request, db)) }
  })
}

function described({ subject, clientId, credential, scope, role }: Principal) {
  return {
    subject,
    ...(clientId === undefined ? {} : { clientId }),
    credential: { kind: credential.kind, id: credential.id },
    scopes: [...scope],
    role: wireRole(role) ?? null,
  }
}

/** E-mail and name, for an account whose credential holds `profile:read`. */
async function profile(request: FastifyRequest, db: Database) {
  if (!requirePrincipal(request).scope.has('profile:read')) return {}
  const account = await accountOf(request, db)
  return account === undefined ? {} : { email: account.email, name: account.name }
}
