import type { KoaContextWithOIDC, Provider } from 'oidc-provider'
import { TooManyAttempts } from '../../errors.ts'
import type { Limit } from '../../limits/limits.ts'
import { POLL_INTERVAL } from '../../limits/policy.ts'
import { digest } from '../../secrets/opaque-token.ts'

/** Has a client that asks for an answer too often told `slow_down` (RFC 8628 3.5, CIBA 11), whichever processes it asks. */
export function answerPolls(provider: Provider, polls: Limit): void {
  provider.use(async (ctx: KoaContextWithOIDC, next) => {
    await next()
    const body = ctx.body as { error?: string } | undefined
    if (ctx.path !== '/oauth/token' || body?.error !== 'authorization_pending') return
    await polls
      .count(digest(String(ctx.oidc.params?.device_code ?? ctx.oidc.params?.auth_req_id)))
      .catch((error: unknown) => {
        if (!(error instanceof TooManyAttempts)) throw error
        ctx.body = { error: 'slow_down', error_description: `ask every ${POLL_INTERVAL} seconds at most` }
      })
  })
}

const BEGINS = new Set(['device_authorization', 'backchannel_authentication'])

/** Says how often a client may ask (RFC 8628 3.2, CIBA 7.3), which the engine does not. */
export function tellInterval(ctx: KoaContextWithOIDC): void {
  if (!BEGINS.has(ctx.oidc.route) || ctx.status !== 200) return
  ctx.body = { ...(ctx.body as object), interval: POLL_INTERVAL }
}
