import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { createAccount } from '../accounts/accounts.ts'
import { authenticateAccount } from '../accounts/authentication.ts'
import { wireRole } from '../accounts/schemas.ts'
import { revokeAccessToken } from '../credentials/access-token-state.ts'
import { RECENT_SIGN_IN } from '../credentials/authorize.ts'
import { findPrincipal, originOf, requireSession } from '../credentials/plugin.ts'
import type { Database } from '../database/client.ts'
import { CredentialRequired, PublicError } from '../errors.ts'
import { isFromBrowser, requireSameOrigin } from '../http/same-origin.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { LocalLimit } from '../limits/local-limit.ts'
import { networkOf } from '../limits/networks.ts'
import type { Successors } from '../secrets/successors.ts'
import type { DeviceCookie, RefreshCookie } from './cookie.ts'
import { issueFirstPartyJwt } from './first-party-jwt.ts'
import { endOwnSessions, listSessions } from './own-sessions.ts'
import { rotateSession } from './rotation.ts'
import { END_ONE, END_OTHERS, LIST, REFRESH, REGISTER, SIGN_IN, SIGN_OUT } from './schemas.ts'
import { findSession, type IssuedSession, startSession } from './sessions.ts'
import type { SignInLimits } from './sign-in-limits.ts'

export interface SessionRoutesOptions {
  readonly db: Database
  readonly keys: KeyRing
  readonly issuer: string
  /** The origins whose pages may sign in here: ours, and those of CORS_ORIGINS. */
  readonly origins: readonly string[]
  readonly refreshCookie: RefreshCookie
  readonly deviceCookie: DeviceCookie
  readonly signInLimits: SignInLimits
  /** Refresh tokens that nobody was given, by network. */
  readonly unknownCredentials: LocalLimit
  /** What follows a refresh token. */
  readonly successors: Successors
  /** Ends a session of an account, with whatever else its sign-in began in this browser. */
  readonly signOut: (
    session: { readonly id: string; readonly accountId: string },
    request: FastifyRequest,
    reply: FastifyReply,
  ) => Promise<void>
}

const anyone = { credentials: 'none' } as const
/** What a page of another site is told, and who tries too often. */
const REFUSED = { 403: ['cross_site_request'], 429: ['too_many_attempts'] }

/** First-party sign-in: register, sign in, refresh, sign out. */
export const sessionRoutes: FastifyPluginAsyncTypebox<SessionRoutesOptions> = async (app, options) => {
  const { db, origins, refreshCookie, deviceCookie, signInLimits, unknownCredentials, successors, signOut } = options

  const host = new URL(options.issuer).hostname

  app.addHook('onRequest', async (request) => requireSameOrigin(request, origins, { proof: false }))

  const register = {
    access: anyone,
    problems: { ...REFUSED, 403: [...REFUSED[403], 'sign_up_closed'], 409: ['registration_refused'] },
  }
  app.post('/api/auth/register', { schema: REGISTER, config: register }, async (request, reply) => {
    signInLimits.requireSignUp()
    await signInLimits.countSignUp(request.ip)
    const { id, email, name, role } = await createAccount(db, { ...request.body, host }, originOf(request))
    reply.status(201)
    return { message: 'The account was made. Sign in with it.', user: { id, email, name, role: wireRole(role) } }
  })

  const signIn = { access: anyone, problems: { ...REFUSED, 401: ['invalid_sign_in'] } }
  app.post('/api/auth/login/jwt', { schema: SIGN_IN, config: signIn }, async (request, reply) => {
    const { email, password } = request.body
    const attempt = { email, from: request.ip, device: deviceCookie.read(request) }
    const account = await signInLimits.guard(attempt, () => authenticateAccount(db, email, password))
    const now = new Date()
    const replaced = isFromBrowser(request) ? refreshCookie.read(request) : undefined
    const before = replaced === undefined ? undefined : await findSession(db, replaced, now)
    const issued = await startSession(db, account, now, originOf(request), before?.session)
    if (isFromBrowser(request)) deviceCookie.remember(reply, account, now)
    const user = { id: account.id, email: account.email, role: wireRole(account.role) }
    return { method: 'JWT', user, ...(await tokens(request, reply, issued, now)) }
  })

  const refresh = { access: anyone, problems: { ...REFUSED, 401: ['credential_required', 'invalid_grant'] } }
  app.post('/api/auth/refresh', { schema: REFRESH, config: refresh }, async (request, reply) => {
    const arrivedAt = new Date()
    const presented = request.body?.refreshToken ?? fromCookie(request)
    if (presented === undefined) throw new CredentialRequired()
    const issued = await rotateSession(db, presented, {
      now: new Date(),
      arrivedAt,
      origin: originOf(request),
      successors,
    })
    if (issued === undefined) {
      unknownCredentials.count(networkOf(request.ip))
      refreshCookie.clear(reply)
      throw new PublicError(401, 'invalid_grant', 'The session is over. Sign in again.')
    }
    return tokens(request, reply, issued, new Date())
  })

  /** Ends what is presented: the session of a first-party JWT or of the browser's cookie, or the access token. */
  app.post(
    '/api/auth/logout',
    { schema: SIGN_OUT, config: { access: { credentials: 'optional' }, problems: REFUSED } },
    async (request, reply) => {
      const now = new Date()
      const { credential, subject } = findPrincipal(request) ?? {}
      const cookie = fromCookie(request)
      const browser = cookie === undefined ? undefined : await findSession(db, cookie, now)
      if (credential === undefined && browser === undefined) throw new CredentialRequired()

      if (browser !== undefined) {
        await signOut({ id: browser.session.id, accountId: browser.account.id }, request, reply)
      }
      if (cookie !== undefined) refreshCookie.clear(reply)
      switch (credential?.kind) {
        case 'api_key':
          return { message: 'An API key has no session to end. Revoke the key instead.' }
        case 'access_token':
          await revokeAccessToken(db, credential.id, credential.expiresAt, now, {
            ...originOf(request),
            subject,
            statusIndex: credential.statusIndex,
          })
          return { message: 'The access token is revoked.' }
        case 'first_party_jwt':
          await signOut({ id: credential.sessionId, accountId: subject?.id ?? '' }, request, reply)
      }
      return { message: 'You are signed out.' }
    },
  )

  function fromCookie(request: FastifyRequest): string | undefined {
    const refreshToken = refreshCookie.read(request)
    if (refreshToken !== undefined) requireSameOrigin(request, origins, { proof: true })
    return refreshToken
  }

  /** A browser gets the refresh token as a cookie that no script can read; anything else in the body. */
  async function tokens(request: FastifyRequest, reply: FastifyReply, issued: IssuedSession, now: Date) {
    reply.header('cache-control', 'no-store')
    const answer = await issueFirstPartyJwt(options, issued.session, issued.account, now)
    if (!isFromBrowser(request)) return { ...answer, refreshToken: issued.refreshToken }
    refreshCookie.write(reply, issued.refreshToken, issued.refreshExpiresAt)
    return answer
  }
}

const firstParty = { credentials: ['first_party_jwt'] } as const

/** Where a person is signed in, and signing out there. */
export const ownSessionRoutes: FastifyPluginAsyncTypebox<{ db: Database }> = async (app, { db }) => {
  const recently = { access: { ...firstParty, maxAge: RECENT_SIGN_IN } }

  app.get('/api/sessions', { schema: LIST, config: { access: firstParty } }, async (request) => {
    const { accountId, sessionId } = requireSession(request)
    const sessions = await listSessions(db, accountId, new Date())
    return {
      sessions: sessions.map(({ id, authenticatedAt, lastUsedAt, expiresAt }) => ({
        id,
        current: id === sessionId,
        signedInAt: authenticatedAt,
        lastUsedAt,
        expiresAt,
      })),
    }
  })

  app.delete('/api/sessions', { schema: END_OTHERS, config: recently }, async (request) => {
    const { accountId, sessionId } = requireSession(request)
    await endOwnSessions(db, accountId, { allBut: sessionId }, new Date(), originOf(request))
    return { message: 'You are signed out everywhere else.' }
  })

  app.delete('/api/sessions/:id', { schema: END_ONE, config: recently }, async (request) => {
    await endOwnSessions(db, requireSession(request).accountId, request.params, new Date(), originOf(request))
    return { message: 'That session is over.' }
  })
}
