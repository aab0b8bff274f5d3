import type { FastifyInstance, RouteOptions } from 'fastify'
import { findAccount } from './accounts/accounts.ts'
import { registerApi } from './api.ts'
import { createUsage } from './api-keys/usage.ts'
import { createNotary } from './audit/notary.ts'
import { createRefusals } from './audit/refusals.ts'
import { createCurrentEngine } from './authorization-server/current-engine.ts'
import { endOtherEngineSessions, endSignIn } from './authorization-server/engine-session.ts'
import { interactionRoutes } from './authorization-server/interactions/routes.ts'
import { createUpstreamEntry } from './authorization-server/interactions/upstream.ts'
import { SESSION_LIFETIME } from './authorization-server/lifetimes.ts'
import { createLogoutDelivery } from './authorization-server/logout-delivery.ts'
import { mountProvider } from './authorization-server/mount.ts'
import { createPingDelivery } from './authorization-server/ping-delivery.ts'
import { requestRoutes } from './authorization-server/requests/routes.ts'
import { createUnitOfWork } from './authorization-server/unit-of-work.ts'
import { findClient } from './clients/clients.ts'
import { deleteUnusedClients } from './clients/unused.ts'
import type { Config } from './config.ts'
import { createAuthentication } from './credentials/authentication.ts'
import { createExamine } from './credentials/examine.ts'
import { createUseOnce } from './credentials/use-once.ts'
import { createExpiry } from './database/expiry.ts'
import { openLiveChanges } from './database/live-changes.ts'
import { isMigrated } from './database/migrate.ts'
import { createRemembered } from './database/remembered.ts'
import type { Storage } from './database/storage.ts'
import { homeRoutes } from './home/routes.ts'
import { createCertificateFinder } from './http/client-certificate.ts'
import type { ConnectionLimits } from './http/connections.ts'
import { registerHealth } from './http/health.ts'
import { createHttpServer } from './http/http-server.ts'
import { createKeyKeeper } from './keys/key-keeper.ts'
import { createKeyRing } from './keys/key-ring.ts'
import { ensureSigningKeys } from './keys/rotation.ts'
import { createSchedule, jwksMaxAge } from './keys/schedule.ts'
import { loadSigningKeys } from './keys/signing-keys.ts'
import { createLimits } from './limits/policy.ts'
import { registerDocument } from './openapi/document.ts'
import { documentRoutes } from './openapi/routes.ts'
import { registerResourceMetadata } from './protected-resource/metadata.ts'
import { followDetailsTypes } from './resources/details-types.ts'
import { createPublishedResources } from './resources/published.ts'
import { findResource } from './resources/resources.ts'
import { createKeyedDigest } from './secrets/keyed-digest.ts'
import { createKnownDevices } from './secrets/known-devices.ts'
import { createNonces, DPOP_NONCES } from './secrets/nonces.ts'
import { createSealer } from './secrets/sealed.ts'
import { createSuccessors } from './secrets/successors.ts'
import { createUserCodes } from './secrets/user-codes.ts'
import { createDeviceCookie, createRefreshCookie, createUpstreamCookie } from './sessions/cookie.ts'
import { FIRST_PARTY_JWT_LIFETIME } from './sessions/first-party-jwt.ts'
import { createSignInLimits } from './sessions/sign-in-limits.ts'
import { setupRoutes } from './setup/routes.ts'
import { statusListRoutes } from './status-lists/routes.ts'
import { createStatusSlots } from './status-lists/slots.ts'
import { createStatusLists } from './status-lists/status-lists.ts'
import { upstreamRoutes } from './upstreams/routes.ts'
import { createShownUpstreams } from './upstreams/shown.ts'
import { createUpstreamSignIns } from './upstreams/sign-ins.ts'

export interface AppDependencies {
  readonly config: Config
  readonly storage: Storage
  /** The sealing keys, the one that seals first. */
  readonly secretKeys: readonly Uint8Array[]
  /** Where the log goes; standard output when left out. */
  readonly logStream?: { write(line: string): void }
  /** Limits of connections that differ from the default ones. */
  readonly connectionLimits?: Partial<ConnectionLimits> | undefined
  /** Told of every route that there is. */
  readonly onRoute?: (route: RouteOptions) => void
}

/** Composes the server. The database must be migrated; signing keys that are missing are made. */
export async function createApp(dependencies: AppDependencies): Promise<FastifyInstance> {
  const { config, storage, secretKeys, logStream, connectionLimits, onRoute } = dependencies
  const { db } = storage
  const asksCertificates = config.clientCertificates === 'tls'
  const app = await createHttpServer({ ...config, asksCertificates, logStream, limits: connectionLimits })
  if (onRoute !== undefined) app.addHook('onRoute', onRoute)
  const findCertificate = createCertificateFinder(config.clientCertificates, config.trustProxy)
  const sealer = createSealer(secretKeys)
  await ensureSigningKeys(db, sealer, new Date())
  const keys = createKeyRing(await loadSigningKeys(db, sealer))
  const schedule = createSchedule(config.keyRotationDays, {
    authorization_server: SESSION_LIFETIME,
    first_party: FIRST_PARTY_JWT_LIFETIME,
  })
  const { issuer } = config
  const refreshCookie = createRefreshCookie(issuer)
  const devices = createKnownDevices(sealer)
  const deviceCookie = createDeviceCookie(issuer, devices)
  const warn = (task: string) => (error: unknown) => app.log.warn({ err: error }, `${task} failed`)
  const usage = createUsage(db, config.usageIntervalSeconds * 1000, warn('writing down how keys were used'))
  const notary = createNotary(db, keys, 1_000, warn('linking the audit'))
  const refusals = createRefusals(db, warn('writing down a refusal'))
  const limits = createLimits(db, createKeyedDigest(sealer, 'attempts'))
  const signInLimits = createSignInLimits({ signUp: config.signUp, limits, devices, refusals })

  const upstreamCookie = createUpstreamCookie(issuer)
  const upstreamSignIns = createUpstreamSignIns({ db, sealer, issuer, limits })

  const useOnce = createUseOnce(db)
  const changes = await openLiveChanges(storage, config.natsUrl, warn('following changes'))
  const resources = createRemembered(changes, 'resource', (db, identifier) => findResource(db, issuer, identifier))
  const server = {
    config,
    work: createUnitOfWork(db),
    keys,
    jwksMaxAge: jwksMaxAge(config.keyRotationDays),
    sealer,
    userCodes: createUserCodes(sealer),
    refreshCookie,
    deviceCookie,
    clients: createRemembered(changes, 'client', findClient),
    resources,
    publishedResources: createPublishedResources(db, issuer, changes),
    detailsTypes: await followDetailsTypes(db, changes, warn('following types of authorization details')),
    limits,
    useOnce,
    findCertificate,
    refusals,
    examine: createExamine({ db, keys, issuer, apiKeyPrefix: config.apiKeyPrefix }),
    usage,
    statusSlots: createStatusSlots(changes),
  }
  const engine = createCurrentEngine(server, app.log)
  const logoutDelivery = createLogoutDelivery(db, engine, app.log)
  const pingDelivery = createPingDelivery(db, sealer, engine, app.log)
  const keeper = createKeyKeeper({ db, sealer, keys, schedule, changes, onError: warn('keeping the signing keys') })
  const expiry = createExpiry(storage, warn('deleting what has expired'), undefined, (now, closing) =>
    deleteUnusedClients(db, config.dynamicClientDays, now, closing),
  )

  const authenticate = createAuthentication({
    db,
    changes,
    keys,
    resources,
    issuer,
    apiKeyPrefix: config.apiKeyPrefix,
    unknownCredentials: limits.unknownCredentials,
    useOnce,
    findCertificate,
    nonces: createNonces(sealer.derive(DPOP_NONCES)),
    isNonceRequired: config.dpopNonce === 'required',
    cacheBytes: config.cacheMebibytes * 2 ** 20,
  })

  app.addHook('onClose', async () => {
    await logoutDelivery.close()
    await pingDelivery.close()
    await changes.close()
    await keeper.close()
    await expiry.close()
    await usage.close()
    await refusals.close()
    await notary.close()
  })

  await registerDocument(app, { issuer, refreshCookie })
  await registerHealth(app, () => isMigrated(db))
  await homeRoutes(app, { ...config, upstreams: createShownUpstreams(db) })
  await registerResourceMetadata(app, issuer)
  await documentRoutes(app)
  await app.register(setupRoutes, { db, issuer, attempts: limits.oneTimeLinks })
  const interactions = { ...server, engine, signInLimits, upstreamCookie, upstreamSignIns }
  await app.register(interactionRoutes, interactions)
  await app.register(upstreamRoutes, { ...interactions, ...config, db, signIn: createUpstreamEntry(interactions) })
  await app.register(requestRoutes, { ...server, engine, signInLimits })
  await mountProvider(app, { engine, issuer })
  await app.register(statusListRoutes, { lists: createStatusLists({ db, changes, keys, issuer }) })
  await app.register(registerApi, {
    config,
    db,
    accounts: createRemembered(changes, 'account', findAccount),
    keys,
    sealer,
    refreshCookie,
    deviceCookie,
    upstreamCookie,
    upstreamSignIns,
    signInLimits,
    limits,
    successors: createSuccessors(sealer, 'first_party_session'),
    usage,
    refusals,
    authenticate,
    onPasswordChange: (accountId, request, reply) => endOtherEngineSessions(engine(), accountId, { request, reply }),
    signOut: (session, request, reply) => endSignIn(engine(), server.work, session, { request, reply }),
  })
  return app
}
