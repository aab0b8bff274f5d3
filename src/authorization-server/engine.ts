import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyBaseLogger } from 'fastify'
import type { KoaContextWithOIDC, Provider } from 'oidc-provider'
import { type AuditEvent, createEventBatch, record } from '../audit/audit.ts'
import type { Batch } from '../database/batch.ts'
import { createSuccessors } from '../secrets/successors.ts'
import { issueOf, noteError, noteRefusal } from './audit-trail.ts'
import { rememberClients } from './client-memory.ts'
import { compareSecretDigests } from './client-secrets.ts'
import { createConfiguration } from './configuration.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { tellFailure } from './failures.ts'
import { openFormAction } from './form-action.ts'
import { refuseOtherGrantTypes } from './grant-types.ts'
import { OAuth21Provider } from './redirect-uri-at-token.ts'
import { createRefreshRetries, nameRefreshTokens, type RefreshRetries } from './refresh-retries.ts'
import { presentRegistration } from './registration.ts'
import { askBeforeSignOut, endFirstPartySession } from './sign-out.ts'
import { answerForStructuredToken } from './structured-tokens.ts'

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
  nameRefreshTokens(provider, retries)
  rememberClients(provider, dependencies)
  compareSecretDigests(provider, dependencies.clientAttempts)
  refuseOtherGrantTypes(provider)
  tellFailure(provider, log)
  provider.on('authorization.error', (ctx, { error }) => void noteError(ctx, error, dependencies.refusals))

  const events = createEventBatch(dependencies.work.pool)
  provider.use(async (ctx: KoaContextWithOIDC, next) => {
    if (ctx.path === '/oauth/token') return runTokenRequest(ctx, next, dependencies, events, retries)
    await next()
    if (ctx.oidc === undefined) return
    if (ctx.oidc.route === 'jwks') ctx.set('cache-control', `public, max-age=${dependencies.jwksMaxAge}`)
    await answerForStructuredToken(ctx, dependencies)
    await noteRefusal(ctx, dependencies.refusals)
    await askBeforeSignOut(ctx, dependencies)
    await endFirstPartySession(ctx, dependencies)
    presentRegistration(ctx)
    openFormAction(ctx)
  })

  const handle = provider.callback() as (request: IncomingMessage, response: ServerResponse) => Promise<void>
  return { provider, handle }
}

/**
 * What a token request writes is one transaction: code consumed, tokens stored, audit written, or none of it.
 * One that consumes nothing has no transaction, and shares the writing of its event with others.
 */
async function runTokenRequest(
  ctx: KoaContextWithOIDC,
  next: () => Promise<void>,
  { work, refusals }: AuthorizationServerDependencies,
  events: Batch<AuditEvent>,
  retries: RefreshRetries,
): Promise<void> {
  const { arrivedAt = new Date() } = ctx.req as { arrivedAt?: Date }
  await work.run(arrivedAt, async () => {
    await next()
    const issued = ctx.status < 400 && ctx.method === 'POST'
    if (issued) {
      const event = issueOf(ctx, retries.isRetrying())
      await (work.db === work.pool ? events.write(event) : record(work.db, event))
    }
    return issued
  })
  await noteRefusal(ctx, refusals)
}
