import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Account } from '../../accounts/accounts.ts'
import type { RefreshCookie } from '../../sessions/cookie.ts'
import { endSession, type FirstPartySession, findSession, startSession } from '../../sessions/sessions.ts'
import type { UnitOfWork } from '../unit-of-work.ts'

interface SignedIn {
  readonly session: FirstPartySession
  readonly account: Account
}

/** The first-party session of the browser, by its refresh cookie, which is not consumed. */
export async function findBrowserSession(
  request: FastifyRequest,
  { work, refreshCookie }: { work: UnitOfWork; refreshCookie: RefreshCookie },
): Promise<SignedIn | undefined> {
  const refreshToken = refreshCookie.read(request)
  return refreshToken === undefined ? undefined : findSession(work.db, refreshToken, new Date())
}

/** Signs the browser in: a new session, a new cookie; the session it had before is over (ASVS V7.2.4). */
export async function startBrowserSession(
  request: FastifyRequest,
  reply: FastifyReply,
  account: Account,
  dependencies: { work: UnitOfWork; refreshCookie: RefreshCookie },
): Promise<SignedIn> {
  const { work, refreshCookie } = dependencies
  const before = await findBrowserSession(request, dependencies)
  const now = new Date()
  if (before !== undefined) await endSession(work.db, before.session.id, now, { from: request.ip })
  const started = await startSession(work.db, account, now, { from: request.ip })
  refreshCookie.write(reply, started.refreshToken, started.refreshExpiresAt)
  return started
}
