import type { errors, KoaContextWithOIDC, Provider } from 'oidc-provider'
import { TooManyAttempts } from '../errors.ts'
import { networkOf } from '../limits/networks.ts'
import type { Limits } from '../limits/policy.ts'

/**
 * Limits, by network, how often strangers register clients, begin at devices, and present clients, codes and tokens that nobody was
 * given. Those are judged first: who is known is not slowed down by a neighbour.
 */
export function limitStrangers(
  provider: Provider,
  { registrations, deviceRequests, unknownCredentials }: Limits,
): void {
  const unknownGrants = new WeakSet<KoaContextWithOIDC>()
  provider.on('grant.error', (ctx, error) => {
    if (isUnknown(error)) unknownGrants.add(ctx)
  })

  provider.use(async (ctx: KoaContextWithOIDC, next) => {
    const network = networkOf(ctx.ip)
    try {
      if (ctx.method === 'POST' && ctx.path === '/oauth/register') await registrations.count(network)
      if (ctx.method === 'POST' && ctx.path === '/oauth/device') await deviceRequests.count(network)
      await next()
      if (ctx.status === 401 || unknownGrants.has(ctx)) unknownCredentials.count(network)
    } catch (error) {
      if (!(error instanceof TooManyAttempts)) throw error
      ctx.status = 429
      ctx.set('Retry-After', String(error.retryAfter))
      ctx.body = { error: 'slow_down', error_description: error.message }
    }
  })
}

/** Whether a code or refresh token is not there; one that was used, or is another client's, is. */
function isUnknown({ error, error_detail: detail }: errors.OIDCProviderError & { error_detail?: string }): boolean {
  return (
    error === 'invalid_grant' &&
    /^(authorization code|refresh token|device code|backchannel authentication request) not found$/.test(detail ?? '')
  )
}
