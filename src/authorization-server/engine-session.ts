import { and, eq, ne } from 'drizzle-orm'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { originOf } from '../credentials/plugin.ts'
import type { Database } from '../database/client.ts'
import { providerModels } from '../database/schema.ts'
import { endGrants } from '../grants/grants.ts'
import { noteSignOut } from '../logout-notices/logout-notices.ts'
import { endSession } from '../sessions/sessions.ts'
import { beganAtAlone, endSignOns, grantsOf } from '../sessions/sign-ons.ts'
import type { Engine } from './engine.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/** A request of a browser that has a session of the engine perhaps. */
interface FromBrowser {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/**
 * Ends a first-party session of an account, and with it the engine's session of this browser, at once: who is not
 * told that it is done is still signed in, and may ask again.
 */
export async function endSignIn(
  { provider }: Engine,
  work: UnitOfWork,
  { id, accountId }: { id: string; accountId: string },
  signOut: FromBrowser,
): Promise<void> {
  const ended = await work.atOnce(async () => {
    const isOurs = await endEngineSession(provider, work.db, accountId, signOut)
    const signedInAt = await endSession(work.db, id, new Date(), originOf(signOut.request))
    // Asked for by a JWT alone, without the cookies of the browser that has the single sign-on.
    if (!isOurs && signedInAt !== undefined) {
      await endSignOns(work.db, beganAtAlone(accountId, signedInAt), new Date(), originOf(signOut.request))
    }
    return isOurs
  })
  if (!ended) return
  const name = provider.cookieName('session')
  for (const cookie of [name, `${name}.sig`]) signOut.reply.clearCookie(cookie, { path: '/' })
}

/**
 * Ends the engine's session of a browser as its own sign-out does (OpenID Connect RP-Initiated Logout 1.0 2): with the
 * grants that last no longer than the session. Another person's is left alone.
 */
async function endEngineSession(
  provider: Engine['provider'],
  db: Database,
  accountId: string,
  { request, reply }: FromBrowser,
): Promise<boolean> {
  const session = await provider.Session.get(provider.createContext(request.raw, reply.raw))
  if (session.accountId !== accountId) return false
  await endGrants(db, accountId, grantsOf(session), new Date(), originOf(request))
  await noteSignOut(db, accountId, session.authorizations ?? {}, new Date())
  await session.destroy()
  return true
}

/**
 * Which session of the engine a browser has, and what ends all others of the account: they count only as long as
 * the sign-ins they came from, and end with the grants that last no longer.
 */
export async function endOtherEngineSessions(
  { provider }: Engine,
  accountId: string,
  { request, reply }: FromBrowser,
): Promise<(db: Database) => Promise<void>> {
  const kept = await provider.Session.get(provider.createContext(request.raw, reply.raw))
  return async (db) => {
    const isOther = kept.uid === undefined ? undefined : ne(providerModels.uid, kept.uid)
    await endSignOns(db, and(eq(providerModels.accountId, accountId), isOther), new Date(), originOf(request))
  }
}
