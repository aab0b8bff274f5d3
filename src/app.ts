import type { FastifyInstance } from 'fastify'
import { findAccount } from './accounts/accounts.ts'
import { registerApi } from './api.ts'
import { createUsage } from './api-keys/usage.ts'
import { createNotary } from './audit/notary.ts'
import { createRefusals } from './audit/refusals.ts'
import { createCurrentEngine } from './authorization-server/current-engine.ts'
import { endEngineSession } from './authorization-server/engine-session.ts'
import { interactionRoutes } from './authorization-server/interactions/routes.ts'
import { SESSION_LIFETIME } from './authorization-server/lifetimes.ts'
import { mountProvider } from './authorization-server/mount.ts'
import { createUnitOfWork } from './authorization-server/unit-of-work.ts'
import { findClient } from './clients/clients.ts'
import type { Config } from './config.ts'
import { createAuthentication } from './credentials/authentication.ts'
import { createExpiry } from './database/expiry.ts'
import { openLiveChanges } from './database/live-changes.ts'
import { isMigrated } from './database/migrate.ts'
import { createRemembered } from './database/remembered.ts'
import type { Storage } from './database/storage.ts'
import { homeRoutes } from './home/routes.ts'
import { registerHealth } from './http/health.ts'
import { createHttpServer } from './http/http-server.ts'
import { createAttemptLimit } from './http/rate-limits.ts'
import { createKeyKeeper } from './keys/key-keeper.ts'
import { createKeyRing } from './keys/key-ring.ts'
import { ensureSigningKeys } from './keys/rotation.ts'
import { createSchedule, jwksMaxAge } from './keys/schedule.ts'
import { loadSigningKeys } from './keys/signing-keys.ts'
import { registerResourceMetadata } from './protected-resource/metadata.ts'
import { findResource } from './resources/resources.ts'
import { createSealer } from './secrets/sealed.ts'
import { createSuccessors } from './secrets/successors.ts'
import { createRefreshCookie } from './sessions/cookie.ts'
import { FIRST_PARTY_JWT_LIFETIME } from './sessions/first-party-jwt.ts'
import { createSignInLimits } from './sessions/sign-in-limits.ts'
import { setupRoutes } from './setup/routes.ts'

export interface AppDependencies {
  readonly config: Config
  readonly storage: Storage
  /** The sealing keys, the one that seals first. */
  readonly secretKeys: readonly Uint8Array[]
  /** Where the log goes; standard output when left out. */
  readonly logStream?: { write(line: string): void }
}

/** Composes the server. The database must be migrated; signing keys that are missing are made. */
export async function createApp({ config, storage, secretKeys, logStream }: AppDependencies): Promise<FastifyInstance> {
  const { db } = storage
  const app = await createHttpServer({ ...config, logStream })
  const sealer = createSealer(secretKeys)
  await ensureSigningKeys(db, sealer, new Date())
  const keys = createKeyRing(await loadSigningKeys(db, sealer))
  const schedule = createSchedule(config.keyRotationDays, {
    authorization_server: SESSION_LIFETIME,
    first_party: FIRST_PARTY_JWT_LIFETIME,
  })
  const { issuer } = config
  const refreshCookie = createRefreshCookie(issuer)
  const warn = (task: string) => (error: unknown) => app.log.warn({ err: error }, `${task} failed`)
  const usage = createUsage(db, config.usageIntervalSeconds * 1000, warn('writing down how keys were used'))
  const notary = createNotary(db, keys, 1_000, warn('linking the audit'))
  const refusals = createRefusals(db, warn('writing down a refusal'))
  const signInLimits = createSignInLimits(config.signUp, refusals)

  const changes = await openLiveChanges(storage, config.natsUrl, warn('following changes'))
  const server = {
    config,
    work: createUnitOfWork(db),
    keys,
    jwksMaxAge: jwksMaxAge(config.keyRotationDays),
    sealer,
    refreshCookie,
    clients: createRemembered(changes, 'client', findClient),
    resources: createRemembered(changes, 'resource', (db, identifier) => findResource(db, issuer, identifier)),
    clientAttempts: createAttemptLimit(30, 300),
    refusals,
  }
  const engine = createCurrentEngine(server, app.log)
  const keeper = createKeyKeeper({ db, sealer, keys, schedule, changes, onError: warn('keeping the signing keys') })
  const expiry = createExpiry(storage, warn('deleting what has expired'))

  const authenticate = createAuthentication({
    db,
    changes,
    keys,
    issuer,
    apiKeyPrefix: config.apiKeyPrefix,
    cacheBytes: config.cacheMebibytes * 2 ** 20,
  })

  app.addHook('onClose', async () => {
    await changes.close()
    await keeper.close()
    await expiry.close()
    await usage.close()
    await refusals.close()
    await notary.close()
  })

  await registerHealth(app, () => isMigrated(db))
  await homeRoutes(app, config)
  await registerResourceMetadata(app, issuer)
  await app.register(setupRoutes, { db, issuer })
  await app.register(interactionRoutes, { ...server, engine, signInLimits })
  await mountProvider(app, { engine, issuer })
  await app.register(registerApi, {
    config,
    db,
    accounts: createRemembered(changes, 'account', findAccount),
    keys,
    refreshCookie,
    signInLimits,
    successors: createSuccessors(sealer, 'first_party_session'),
    usage,
    refusals,
    authenticate,
    onSignOut: (accountId, request, reply) => endEngineSession(engine(), db, accountId, { request, reply }),
  })
  return app
}
