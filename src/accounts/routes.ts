import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { originOf, requireSession } from '../credentials/plugin.ts'
import type { Database } from '../database/client.ts'
import { InvalidCredential, InvalidSignIn, PublicError } from '../errors.ts'
import { requireSameOrigin } from '../http/same-origin.ts'
import { Done } from '../http/schemas.ts'
import type { DeviceCookie } from '../sessions/cookie.ts'
import type { SignInLimits } from '../sessions/sign-in-limits.ts'
import { findAccount } from './accounts.ts'
import { authenticateAccount } from './authentication.ts'
import { changePassword } from './change-password.ts'
import { NewPassword, Password } from './schemas.ts'

export interface AccountRoutesOptions {
  readonly db: Database
  readonly issuer: string
  /** The origins whose pages may ask: ours, and those of CORS_ORIGINS. */
  readonly origins: readonly string[]
  readonly deviceCookie: DeviceCookie
  readonly signInLimits: SignInLimits
  /** Asked before a password changes; what it answers ends all other sessions of the engine, in the transaction of the change. */
  readonly onPasswordChange: (
    accountId: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ) => Promise<(tx: Database) => Promise<void>>
}

const Change = Type.Object({ currentPassword: Password, newPassword: NewPassword }, { additionalProperties: false })

/** What people do with their own account. */
export const accountRoutes: FastifyPluginAsyncTypebox<AccountRoutesOptions> = async (app, options) => {
  const { db, issuer, origins, deviceCookie, signInLimits, onPasswordChange } = options
  const host = new URL(issuer).hostname

  app.addHook('onRequest', async (request) => requireSameOrigin(request, origins, { proof: false }))

  app.post(
    '/api/auth/password',
    {
      schema: {
        summary: 'Change the password',
        description: 'Ends all other sign-ins of the account. API keys and applications that were allowed stay.',
        tags: ['sign-in'],
        body: Change,
        response: { 200: Done },
      },
      config: {
        access: { credentials: ['first_party_jwt'] },
        problems: { 400: ['wrong_password'], 403: ['cross_site_request'], 429: ['too_many_attempts'] },
      },
    },
    async (request, reply) => {
      const { accountId, sessionId } = requireSession(request)
      const account = await findAccount(db, accountId)
      if (account === undefined) throw new InvalidCredential('no such account')
      const { currentPassword, newPassword } = request.body
      const attempt = { email: account.email, from: request.ip, device: deviceCookie.read(request) }
      const authenticated = await signInLimits
        .guard({ ...attempt, event: 'account.change_password' }, () =>
          authenticateAccount(db, account.email, currentPassword),
        )
        .catch(wrongPassword)
      const endOthers = await onPasswordChange(accountId, request, reply)
      const change = { newPassword, sessionId, host, endOthers }
      await changePassword(db, authenticated, change, new Date(), originOf(request)).catch(wrongPassword)
      return { message: 'The password was changed. All other sign-ins have ended.' }
    },
  )
}

/** Not a 401, which says that the JWT is not good. */
function wrongPassword(error: unknown): never {
  if (!(error instanceof InvalidSignIn)) throw error
  throw new PublicError(400, 'wrong_password', 'The current password is not right.', { cause: error })
}
