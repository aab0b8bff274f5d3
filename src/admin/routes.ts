import type { FastifyPluginAsync } from 'fastify'
import type { Database } from '../database/client.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { accountIdentityRoutes } from './account-identity-routes.ts'
import { accountKeyRoutes } from './account-key-routes.ts'
import { accountRoutes } from './account-routes.ts'
import { accountSessionRoutes } from './account-session-routes.ts'
import { adminApiKeyRoutes } from './api-key-routes.ts'
import { auditRoutes } from './audit-routes.ts'
import { clientRoutes } from './client-routes.ts'
import { clientSecretRoutes } from './client-secret-routes.ts'
import { grantRoutes } from './grant-routes.ts'
import { initialAccessTokenRoutes } from './initial-access-token-routes.ts'
import { resourceRoutes } from './resource-routes.ts'
import { signingKeyRoutes } from './signing-key-routes.ts'
import { upstreamRoutes } from './upstream-routes.ts'
import { userRoutes } from './user-routes.ts'

/** What the routes of administrators work with. */
export interface AdminOptions {
  readonly db: Database
  readonly issuer: string
  readonly sealer: Sealer
  /** Seconds for which the published keys may be kept. */
  readonly jwksMaxAge: number
}

/** What administrators see and do: for each noun a file. */
export const adminRoutes: FastifyPluginAsync<AdminOptions> = async (app, options) => {
  app.addHook('onRequest', async (_request, reply) => void reply.header('cache-control', 'no-store'))
  await app.register(userRoutes, options)
  await app.register(accountRoutes, options)
  await app.register(accountSessionRoutes, options)
  await app.register(accountKeyRoutes, options)
  await app.register(accountIdentityRoutes, options)
  await app.register(auditRoutes, options)
  await app.register(initialAccessTokenRoutes, options)
  await app.register(resourceRoutes, options)
  await app.register(clientRoutes, options)
  await app.register(clientSecretRoutes, options)
  await app.register(grantRoutes, options)
  await app.register(adminApiKeyRoutes, options)
  await app.register(signingKeyRoutes, options)
  await app.register(upstreamRoutes, options)
}
