import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import type { Account } from './accounts/accounts.ts'
import { type AccountRoutesOptions, accountRoutes } from './accounts/routes.ts'
import { adminRoutes } from './admin/routes.ts'
import { apiKeyRoutes } from './api-keys/routes.ts'
import type { Usage } from './api-keys/usage.ts'
import type { Refusals } from './audit/refusals.ts'
import type { Config } from './config.ts'
import type { Authenticator } from './credentials/authenticate.ts'
import { challenge } from './credentials/challenge.ts'
import { credentials, originOf } from './credentials/plugin.ts'
import { isDpop } from './credentials/presented.ts'
import type { Database } from './database/client.ts'
import type { Remembered } from './database/remembered.ts'
import { NotFound } from './errors.ts'
import { gateRoutes } from './gate/routes.ts'
import { grantRoutes } from './grants/routes.ts'
import { guideRoutes } from './guide/routes.ts'
import { createErrorHandler, problemOf } from './http/error-handler.ts'
import type { KeyRing } from './keys/key-ring.ts'
import { jwksMaxAge } from './keys/schedule.ts'
import type { Limits } from './limits/policy.ts'
import { resourceMetadataUrl } from './protected-resource/metadata.ts'
import { meRoutes } from './protected-resource/routes.ts'
import { builtInIdentifier } from './resources/resources.ts'
import type { Sealer } from './secrets/sealed.ts'
import type { Successors } from './secrets/successors.ts'
import type { DeviceCookie, RefreshCookie, UpstreamCookie } from './sessions/cookie.ts'
import { ownSessionRoutes, type SessionRoutesOptions, sessionRoutes } from './sessions/routes.ts'
import type { SignInLimits } from './sessions/sign-in-limits.ts'
import { identityRoutes } from './upstreams/identity-routes.ts'
import type { UpstreamSignIns } from './upstreams/sign-ins.ts'

export interface ApiOptions {
  readonly config: Config
  readonly db: Database
  readonly accounts: Remembered<Account>
  readonly keys: KeyRing
  readonly sealer: Sealer
  readonly refreshCookie: RefreshCookie
  readonly deviceCookie: DeviceCookie
  readonly upstreamCookie: UpstreamCookie
  readonly upstreamSignIns: UpstreamSignIns
  readonly signInLimits: SignInLimits
  readonly limits: Limits
  readonly successors: Successors
  readonly usage: Usage
  readonly refusals: Refusals
  readonly authenticate: Authenticator
  readonly signOut: SessionRoutesOptions['signOut']
  readonly onPasswordChange: AccountRoutesOptions['onPasswordChange']
}

/** The resource API: one scope, in which every request is authenticated and authorized alike, and errors are problems. */
export async function registerApi(api: FastifyInstance, options: ApiOptions): Promise<void> {
  const { config, db, sealer, usage, refusals, limits } = options
  const { issuer, apiKeyPrefix, corsOrigins } = config
  const findAccount = (id: string) => options.accounts.find(db, id)

  api.setErrorHandler(
    createErrorHandler((error, request, reply) => {
      const { scope, resource } = request.routeOptions.config.access ?? {}
      const challenged = error.status === 401 || error.status === 403
      const asked = {
        resourceMetadata: resourceMetadataUrl(resource?.(request) ?? builtInIdentifier(issuer)),
        isDpop: isDpop(request),
        scope,
      }
      if (challenged) reply.header('www-authenticate', challenge(error, asked))
      return reply.type('application/problem+json').send(problemOf(error))
    }),
  )
  if (corsOrigins.length > 0) {
    const policy = {
      origin: [...corsOrigins],
      credentials: true,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      exposedHeaders: ['WWW-Authenticate', 'DPoP-Nonce', 'Retry-After', 'ETag', 'Location'],
    }
    // The plugin answers preflights of every path of the server, also of those that take none (RFC 9700 2.6).
    await api.register(cors, {
      delegator: (request, tell) => tell(null, request.url.startsWith('/api/') ? policy : { origin: false }),
    })
  }
  await api.register(credentials, {
    authenticate: options.authenticate,
    onPrincipal({ credential }, request) {
      if (credential.kind === 'api_key') usage.note(credential.id, new Date(), request.ip)
    },
    onForbidden({ subject }, { code }, request) {
      const details = { reason: code, route: request.routeOptions.url }
      refusals.note({ type: 'api.request', ...originOf(request), subject, details })
    },
  })

  const { unknownCredentials } = limits
  const origins = [issuer, ...corsOrigins]
  await api.register(sessionRoutes, { ...options, issuer, unknownCredentials, origins })
  await api.register(ownSessionRoutes, { db })
  await api.register(accountRoutes, { ...options, issuer, origins })
  await api.register(identityRoutes, { ...options, origins })
  await api.register(apiKeyRoutes, { db, keyPrefix: apiKeyPrefix, made: limits.apiKeys })
  await api.register(grantRoutes, { db })
  await api.register(meRoutes, { findAccount })
  await api.register(guideRoutes, { findAccount })
  await api.register(adminRoutes, { db, issuer, sealer, jwksMaxAge: jwksMaxAge(config.keyRotationDays) })
  await api.register(gateRoutes, { refusals })
  api.all('/api/*', { schema: { hide: true }, config: { access: { credentials: 'none' } } }, async () => {
    throw new NotFound()
  })
}
