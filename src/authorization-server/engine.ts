import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyBaseLogger } from 'fastify'
import type { KoaContextWithOIDC, Provider } from 'oidc-provider'
import { type AuditEvent, createEventBatch, record } from '../audit/audit.ts'
import type { Batch } from '../database/batch.ts'
import { createSuccessors } from '../secrets/successors.ts'
import { issueOf, noteError, noteRefusal, pushOf } from './audit-trail.ts'
import { noteBackChannelLogouts } from './back-channel-logout.ts'
import { rememberClients } from './client-memory.ts'
import { compareSecretDigests } from './client-secrets.ts'
import { createConfiguration } from './configuration.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { completeDiscovery } from './discovery.ts'
import { nameRefreshTokens } from './engine-internals.ts'
import { tellFailure } from './failures.ts'
import { openFormAction } from './form-action.ts'
import { refuseOtherGrantTypes } from './grant-types.ts'
import { answerIntrospection } from './introspection.ts'
import { registerJwtBearer } from './jwt-bearer.ts'
import { limitStrangers } from './limit-strangers.ts'
import { OAuth21Provider } from './redirect-uri-at-token.ts'
import { createRefreshRetries, type RefreshRetries } from './refresh-retries.ts'
import { presentRegistration } from './registration.ts'
import { refuseReplays } from './replays.ts'
import { answerPolls, tellInterval } from './requests/polling.ts'
import { answerRevocation } from './revocation.ts'
import { askBeforeSignOut, endFirstPartySession } from './sign-out.ts'
import { requireIdTokenHints } from './signed-tokens.ts'
import { registerTokenExchange } from './token-exchange.ts'
import type { UnitOfWork } from './unit-of-work.ts'
import { takeApiTokens, tellOpenidScope } from './userinfo.ts'

/** The engine as the rest of the server uses it. */
export interface Engine {
  readonly provider: Provider
  /** Answers a request on the raw response. */
  handle(request: IncomingMessage & { arrivedAt?: Date }, response: ServerResponse): Promise<void>
}

/**
 * oidc-provider, configured and hardened. It is a value: signing keys load in its constructor, so a
 * key rotation makes another one.
 */
export function createEngine(dependencies: AuthorizationServerDependencies, log: FastifyBaseLogger): Engine {
  const retries = createRefreshRetries(dependencies.work, createSuccessors(dependencies.sealer, 'refresh_token'))
  const provider = new OAuth21Provider(dependencies.config.issuer, createConfiguration(dependencies, retries))
  provider.proxy = true
  nameRefreshTokens(provider, retries.makeToken)
  rememberClients(provider, dependencies)
  compareSecretDigests(provider, dependencies.limits.clientSecrets)
  requireIdTokenHints(provider)
  takeApiTokens(provider, dependencies.examine, dependencies.config.issuer)
  refuseReplays(provider, dependencies)
  noteBackChannelLogouts(provider, dependencies.work)
  refuseOtherGrantTypes(provider)
  registerTokenExchange(provider, dependencies)
  registerJwtBearer(provider, dependencies)
  tellFailure(provider, log)
  limitStrangers(provider, dependencies.limits)
  answerPolls(provider, dependencies.limits.polls)
  provider.on('authorization.error', (ctx, { error }) => void noteError(ctx, error, dependencies.refusals))

  const events = createEventBatch(dependencies.work.pool)
  provider.use(async (ctx: KoaContextWithOIDC, next) => {
    const stands = await runAsUnit(ctx, dependencies.work, async () => {
      await next()
      if (ctx.path === '/oauth/token') {
        tellOpenidScope(ctx)
        await recordIssue(ctx, dependencies.work, events, retries)
      } else if (ctx.path === '/oauth/par' && ctx.status === 201) await events.write(pushOf(ctx))
      else if (ctx.oidc !== undefined) await complete(ctx, dependencies)
    })
    if (!stands) ctx.remove('set-cookie')
    await noteRefusal(ctx, dependencies.refusals)
  })

  const handle = provider.callback() as (request: IncomingMessage, response: ServerResponse) => Promise<void>
  return { provider, handle }
}

/**
 * What a request writes is one transaction: code consumed, tokens stored, audit written; grants, session and sign-in
 * ended; or none of it. One that consumes and ends nothing has no transaction.
 * @returns whether what it wrote stands
 */
function runAsUnit(ctx: KoaContextWithOIDC, work: UnitOfWork, answer: () => Promise<void>): Promise<boolean> {
  const { arrivedAt = new Date() } = ctx.req as { arrivedAt?: Date }
  const run = async () => {
    await answer()
    if (ctx.status < 400) return 'done'
    return ctx.status < 500 ? 'refused' : 'failed'
  }
  return work.run(run, ctx.path === '/oauth/token' ? arrivedAt : undefined)
}

/** Tells the audit what a token request issued. One that has no transaction shares the writing with others. */
async function recordIssue(
  ctx: KoaContextWithOIDC,
  work: UnitOfWork,
  events: Batch<AuditEvent>,
  retries: RefreshRetries,
): Promise<void> {
  if (ctx.status >= 400 || ctx.method !== 'POST') return
  const event = issueOf(ctx, retries.isRetrying(ctx))
  await (work.db === work.pool ? events.write(event) : record(work.db, event))
}

/** What the engine leaves to do, by route. */
async function complete(ctx: KoaContextWithOIDC, dependencies: AuthorizationServerDependencies): Promise<void> {
  await completeDiscovery(ctx, dependencies)
  if (ctx.oidc.route === 'jwks') ctx.set('cache-control', `public, max-age=${dependencies.jwksMaxAge}`)
  await answerIntrospection(ctx, dependencies)
  await answerRevocation(ctx, dependencies)
  await askBeforeSignOut(ctx, dependencies)
  await endFirstPartySession(ctx, dependencies)
  await presentRegistration(ctx, dependencies.work)
  tellInterval(ctx)
  openFormAction(ctx)
}
