import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { authenticateAccount, createAccount } from '../accounts/accounts.ts'
import { Email, Name, NewPassword, Password, wireRole } from '../accounts/schemas.ts'
import { revokeAccessToken } from '../credentials/access-token-state.ts'
import { findPrincipal, originOf } from '../credentials/plugin.ts'
import type { Database } from '../database/client.ts'
import { CredentialRequired, PublicError } from '../errors.ts'
import { isFromBrowser, requireSameOrigin } from '../http/same-origin.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Successors } from '../secrets/successors.ts'
import type { RefreshCookie } from './cookie.ts'
import { issueFirstPartyJwt } from './first-party-jwt.ts'
import { rotateSession } from './rotation.ts'
import { endSession, findSession, type IssuedSession, startSession } from './sessions.ts'
import type { SignInLimits } from './sign-in-limits.ts'

export interface SessionRoutesOptions {
  readonly db: Database
  readonly keys: KeyRing
  readonly issuer: string
  /** The origins whose pages may sign in here: ours, and those of CORS_ORIGINS. */
  readonly origins: readonly string[]
  readonly refreshCookie: RefreshCookie
  readonly signInLimits: SignInLimits
  /** What follows a refresh token. */
  readonly successors: Successors
  /** Told of an account that signs out, in this browser perhaps. */
  readonly onSignOut: (accountId: string, request: FastifyRequest, reply: FastifyReply) => Promise<void>
}

const Register = Type.Object(
  { email: Email, password: NewPassword, name: Type.Optional(Name) },
  { additionalProperties: false },
)
const SignIn = Type.Object({ email: Email, password: Password }, { additionalProperties: false })
/** `nullable` lets a request without a body through. */
const Refresh = Type.Object(
  { refreshToken: Type.Optional(Type.String({ maxLength: 128 })) },
  { additionalProperties: false, nullable: true },
)
const NoBody = Type.Object({}, { additionalProperties: false, nullable: true })

const anyone = { access: { credentials: 'none' } } as const

/** First-party sign-in: register, sign in, refresh, sign out. */
export const sessionRoutes: FastifyPluginAsyncTypebox<SessionRoutesOptions> = async (app, options) => {
  const { db, origins, refreshCookie, signInLimits, successors, onSignOut } = options

  app.addHook('onRequest', async (request) => requireSameOrigin(request, origins, { proof: false }))

  app.post('/api/auth/register', { schema: { body: Register }, config: anyone }, async (request, reply) => {
    signInLimits.requireSignUp()
    await signInLimits.countSignUp(request.ip)
    const { id, email, name, role } = await createAccount(db, request.body, originOf(request))
    reply.status(201)
    return { message: 'The account was made. Sign in with it.', user: { id, email, name, role: wireRole(role) } }
  })

  app.post('/api/auth/login/jwt', { schema: { body: SignIn }, config: anyone }, async (request, reply) => {
    const { email, password } = request.body
    const account = await signInLimits.guard(email, request.ip, () => authenticateAccount(db, email, password))
    const now = new Date()
    const replaced = isFromBrowser(request) ? refreshCookie.read(request) : undefined
    const before = replaced === undefined ? undefined : await findSession(db, replaced, now)
    if (before !== undefined) await endSession(db, before.session.id, now, originOf(request))
    const issued = await startSession(db, account, now, originOf(request))
    const user = { id: account.id, email: account.email, role: wireRole(account.role) }
    return { method: 'JWT', user, ...(await tokens(request, reply, issued, now)) }
  })

  app.post('/api/auth/refresh', { schema: { body: Refresh }, config: anyone }, async (request, reply) => {
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
      refreshCookie.clear(reply)
      throw new PublicError(401, 'invalid_grant', 'The session is over. Sign in again.')
    }
    return tokens(request, reply, issued, new Date())
  })

  /** Ends what is presented: the session of a first-party JWT or of the browser's cookie, or the access token. */
  app.post(
    '/api/auth/logout',
    { schema: { body: NoBody }, config: { access: { credentials: 'optional' } } },
    async (request, reply) => {
      const now = new Date()
      const { credential, subject } = findPrincipal(request) ?? {}
      const cookie = fromCookie(request)
      const browser = cookie === undefined ? undefined : await findSession(db, cookie, now)
      if (credential === undefined && browser === undefined) throw new CredentialRequired()

      if (browser !== undefined) {
        await endSession(db, browser.session.id, now, originOf(request))
        await onSignOut(browser.account.id, request, reply)
      }
      if (cookie !== undefined) refreshCookie.clear(reply)
      switch (credential?.kind) {
        case 'api_key':
          return { message: 'An API key has no session to end. Revoke the key instead.' }
        case 'access_token':
          await revokeAccessToken(db, credential.id, credential.expiresAt, now, { ...originOf(request), subject })
          return { message: 'The access token is revoked.' }
        case 'first_party_jwt':
          await endSession(db, credential.sessionId, now, originOf(request))
          if (subject !== undefined) await onSignOut(subject.id, request, reply)
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
