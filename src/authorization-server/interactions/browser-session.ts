import type { FastifyRequest } from 'fastify'
import type { Account } from '../../accounts/accounts.ts'
import type { RefreshCookie } from '../../sessions/cookie.ts'
import {
  type FirstPartySession,
  findSession,
  type IssuedSession,
  startSession,
  type UpstreamAuthentication,
} from '../../sessions/sessions.ts'
import type { UnitOfWork } from '../unit-of-work.ts'

export interface SignedIn {
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

/**
 * Signs the browser in: a new session; the one it had before is over (ASVS V7.2.4). The cookie is for the caller to
 * write, once the session is there for good.
 */
export async function startBrowserSession(
  request: FastifyRequest,
  account: Account,
  dependencies: { work: UnitOfWork; refreshCookie: RefreshCookie },
  upstream?: UpstreamAuthentication,
): Promise<IssuedSession> {
  const { work } = dependencies
  const before = await findBrowserSession(request, dependencies)
  return startSession(work.db, account, new Date(), { from: request.ip }, before?.session, upstream)
}
