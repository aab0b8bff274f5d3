import type { KoaContextWithOIDC } from 'oidc-provider'
import { endSession, findSession } from '../sessions/sessions.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'

/**
 * Who signs out of the engine's session signs out of the first-party session it came from. When another
 * person has signed in, the engine ends its session too and goes on with the request: the new one stays.
 */
export async function endFirstPartySession(
  ctx: KoaContextWithOIDC,
  { work, refreshCookie, config }: AuthorizationServerDependencies,
): Promise<void> {
  if (ctx.oidc.route !== 'end_session_confirm' || ctx.status !== 303 || !ctx.oidc.params?.logout) return
  const refreshToken = ctx.cookies.get(refreshCookie.name, { signed: false })
  if (refreshToken === undefined) return
  const now = new Date()
  const found = await findSession(work.db, refreshToken, now)
  const goesOn = ctx.response.get('location').startsWith(`${config.issuer}/oauth/authorize/`)
  if (goesOn && found !== undefined && found.account.id !== ctx.oidc.session?.accountId) return
  if (found !== undefined) await endSession(work.db, found.session.id, now, ctx.ip)
  ctx.cookies.set(refreshCookie.name, null, { signed: false, path: '/', secure: config.issuer.startsWith('https:') })
}
