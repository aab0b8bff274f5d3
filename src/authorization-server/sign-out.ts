import type { KoaContextWithOIDC } from 'oidc-provider'
import { endSession, findSession } from '../sessions/sessions.ts'
import { originOfEngine } from './audit-trail.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { renderSignOut } from './pages.ts'

/** The first-party session of this browser, and whose it is. */
export async function findSignedIn(
  ctx: KoaContextWithOIDC,
  { work, refreshCookie }: AuthorizationServerDependencies,
): ReturnType<typeof findSession> {
  const refreshToken = ctx.cookies.get(refreshCookie.name, { signed: false })
  return refreshToken === undefined ? undefined : findSession(work.db, refreshToken, new Date())
}

/**
 * The engine asks before it ends a session of its own. Who has none, but is signed in at our pages, is asked
 * too: else any link would sign them out (ASVS V10.6.2).
 */
export async function askBeforeSignOut(
  ctx: KoaContextWithOIDC,
  dependencies: AuthorizationServerDependencies,
): Promise<void> {
  if (ctx.oidc.route !== 'end_session' || ctx.status !== 200 || ctx.oidc.session?.accountId !== undefined) return
  if ((await findSignedIn(ctx, dependencies)) !== undefined) await renderSignOut(ctx)
}

/**
 * Who signs out of the engine's session signs out of the first-party session it came from. When another
 * person has signed in, the engine ends its session too and goes on with the request: the new one stays.
 */
export async function endFirstPartySession(
  ctx: KoaContextWithOIDC,
  dependencies: AuthorizationServerDependencies,
): Promise<void> {
  if (ctx.oidc.route !== 'end_session_confirm' || ctx.status !== 303 || !ctx.oidc.params?.logout) return
  const { work, refreshCookie, config } = dependencies
  if (ctx.cookies.get(refreshCookie.name, { signed: false }) === undefined) return
  const found = await findSignedIn(ctx, dependencies)
  const goesOn = ctx.response.get('location').startsWith(`${config.issuer}/oauth/authorize/`)
  if (goesOn && found !== undefined && found.account.id !== ctx.oidc.session?.accountId) return
  if (found !== undefined) await endSession(work.db, found.session.id, new Date(), originOfEngine(ctx))
  ctx.cookies.set(refreshCookie.name, null, { signed: false, path: '/', secure: config.issuer.startsWith('https:') })
}
