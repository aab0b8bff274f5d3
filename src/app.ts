import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { registerApi } from './api.ts'
import { createLastUsed } from './api-keys/last-used.ts'
import { createEngine } from './authorization-server/engine.ts'
import { interactionRoutes } from './authorization-server/interactions/routes.ts'
import { mountProvider } from './authorization-server/mount.ts'
import { createUnitOfWork } from './authorization-server/unit-of-work.ts'
import type { Config } from './config.ts'
import type { Database } from './database/client.ts'
import { deleteExpired } from './database/expiry.ts'
import { isMigrated } from './database/migrate.ts'
import { NotFound } from './errors.ts'
import { homeRoutes } from './home/routes.ts'
import { createErrorHandler } from './http/error-handler.ts'
import { respondEarly, respondWithPage } from './http/error-page.ts'
import { registerHealth } from './http/health.ts'
import { loggerOptions } from './http/logger.ts'
import { createAttemptLimit } from './http/rate-limits.ts'
import { registerSecurityHeaders } from './http/security-headers.ts'
import { requireWellFormed } from './http/well-formed.ts'
import { createKeyRing } from './keys/key-ring.ts'
import { followKeys } from './keys/refresh.ts'
import { ensureSigningKeys, loadSigningKeys } from './keys/signing-keys.ts'
import { registerResourceMetadata } from './protected-resource/metadata.ts'
import { createSealer } from './secrets/sealed.ts'
import { createRefreshCookie } from './sessions/cookie.ts'
import { createSignInLimits } from './sessions/sign-in-limits.ts'
import { setupRoutes } from './setup/routes.ts'

export interface AppDependencies {
  readonly config: Config
  readonly db: Database
  /** The sealing keys, the one that seals first. */
  readonly secretKeys: readonly Uint8Array[]
  /** Where the log goes; standard output when left out. */
  readonly logStream?: { write(line: string): void }
}

/** Composes the server. The database must be migrated; signing keys that are missing are made. */
export async function createApp({ config, db, secretKeys, logStream }: AppDependencies): Promise<FastifyInstance> {
  const app = Fastify({
    logger: loggerOptions(config.logLevel, logStream),
    trustProxy: config.trustProxy.length > 0 ? [...config.trustProxy] : false,
    bodyLimit: 64 * 1024,
    requestTimeout: 30_000,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
    frameworkErrors: (error, request, reply) => createErrorHandler(respondEarly)(error, request, reply as FastifyReply),
  })
  const sealer = createSealer(secretKeys)
  await ensureSigningKeys(db, sealer, new Date())
  const keys = createKeyRing(await loadSigningKeys(db, sealer))
  const { issuer } = config
  const refreshCookie = createRefreshCookie(issuer)
  const signInLimits = createSignInLimits(config.signUp)
  const warn = (task: string) => (error: unknown) => app.log.warn({ err: error }, `${task} failed`)
  const lastUsed = createLastUsed(db, 5_000, warn('writing down when keys were used'))

  const server = {
    config,
    work: createUnitOfWork(db),
    keys,
    sealer,
    refreshCookie,
    clientAttempts: createAttemptLimit(30, 300),
  }
  let engine = createEngine(server, app.log)
  const stopFollowing = followKeys(
    { db, sealer, keys },
    5_000,
    () => {
      engine = createEngine(server, app.log)
    },
    warn('looking for new signing keys'),
  )
  const expiry = setInterval(
    () => deleteExpired(db, new Date()).catch(warn('deleting what has expired')),
    60_000,
  ).unref()

  app.addHook('onClose', async () => {
    stopFollowing()
    clearInterval(expiry)
    await lastUsed.close()
  })
  app.setErrorHandler(createErrorHandler(respondWithPage))
  app.setNotFoundHandler(() => {
    throw new NotFound()
  })
  app.addHook('preValidation', requireWellFormed)
  await registerSecurityHeaders(app)
  await app.register(cookie)

  await registerHealth(app, () => isMigrated(db))
  await homeRoutes(app, config)
  await registerResourceMetadata(app, issuer)
  await app.register(setupRoutes, { db, issuer })
  await app.register(interactionRoutes, { ...server, engine: () => engine, signInLimits })
  await mountProvider(app, { engine: () => engine, issuer })
  await app.register(registerApi, { config, db, keys, refreshCookie, signInLimits, lastUsed })
  return app
}
