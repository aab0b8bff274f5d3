import type { KoaContextWithOIDC } from 'oidc-provider'
import { contentSecurityPolicy, formActionSource } from '../http/security-headers.ts'

/** A page of the engine whose form leads on to the client, such as `form_post`, must allow it in its policy. */
export function openFormAction(ctx: KoaContextWithOIDC): void {
  if (ctx.response.is('html') !== 'html') return
  const { client, params, entities } = ctx.oidc
  const { redirect_uri: pending } = entities.Interaction?.params ?? {}
  const { redirect_uri: redirect, post_logout_redirect_uri: afterLogout } = (params ?? {}) as Record<string, unknown>
  const sources = new Set(
    [
      typeof redirect === 'string' && client?.redirectUriAllowed(redirect) && formActionSource(redirect),
      typeof afterLogout === 'string' &&
        client?.postLogoutRedirectUriAllowed(afterLogout) &&
        formActionSource(afterLogout),
      typeof pending === 'string' && formActionSource(pending),
    ].filter((source) => typeof source === 'string'),
  )
  if (sources.size === 0) return

  const scripts = /script-src [^;]*/
  const now = scripts.exec(ctx.response.get('content-security-policy'))?.[0] ?? "script-src 'self'"
  ctx.set('content-security-policy', contentSecurityPolicy([...sources]).replace(scripts, now))
}
