import type { FastifyReply, FastifyRequest } from 'fastify'
import { originOf } from '../credentials/plugin.ts'
import type { Database } from '../database/client.ts'
import { endGrants } from '../grants/grants.ts'
import type { Engine } from './engine.ts'

interface Authorization {
  readonly grantId?: string
  /** Its client was given offline access, which outlives the session. */
  readonly persistsLogout?: boolean
}

/**
 * Ends the engine's session of a browser whose person signs out at the API, as its own sign-out does (OpenID Connect
 * RP-Initiated Logout 1.0 2): with the grants that last no longer than the session. Another person's is left alone.
 */
export async function endEngineSession(
  { provider }: Engine,
  db: Database,
  accountId: string,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
): Promise<void> {
  const session = await provider.Session.get(provider.createContext(request.raw, reply.raw))
  if (session.accountId !== accountId) return
  const authorizations: Authorization[] = Object.values(session.authorizations ?? {})
  const grantIds = authorizations.flatMap(({ grantId, persistsLogout }) =>
    grantId === undefined || persistsLogout ? [] : [grantId],
  )
  await endGrants(db, accountId, grantIds, new Date(), originOf(request))
  await session.destroy()
  const name = provider.cookieName('session')
  for (const cookie of [name, `${name}.sig`]) reply.clearCookie(cookie, { path: '/' })
}
