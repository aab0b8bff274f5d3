import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { wireRole } from '../accounts/schemas.ts'
import { type Access, RECENT_SIGN_IN } from '../credentials/authorize.ts'
import { accountOf, type FindAccount, requirePrincipal } from '../credentials/plugin.ts'
import { WIRE_KINDS } from '../credentials/principal.ts'
import { Texts } from '../http/schemas.ts'
import { COMPARISON } from './comparison.ts'

const DEMONSTRATIONS: readonly (Access & { path: string; message: string })[] = [
  { path: '/api/protected/jwt', credentials: ['first_party_jwt'], message: 'A first-party JWT opened this.' },
  { path: '/api/protected/oauth', credentials: ['access_token'], message: 'An OAuth access token opened this.' },
  { path: '/api/protected/apikey', credentials: ['api_key'], message: 'An API key opened this.' },
  { path: '/api/protected/any', credentials: 'any', message: 'Any of the three credentials opens this.' },
  {
    path: '/api/protected/recent',
    credentials: ['first_party_jwt', 'access_token'],
    maxAge: RECENT_SIGN_IN,
    message: 'A sign-in of the last 15 minutes opened this.',
  },
]

const tags = ['caller']
const GUIDE = {
  summary: 'Which credential when',
  description: 'The three kinds of credential compared, and which to use when.',
  tags,
  response: { 200: Type.Unsafe<typeof COMPARISON>({ type: 'object', additionalProperties: true }) },
}
const demonstration = (description: string) => ({
  summary: 'Try a credential',
  description,
  tags,
  response: {
    200: Type.Object({
      message: Type.String(),
      user: Type.Object({
        id: Type.String(),
        kind: Type.Enum(['account', 'client']),
        role: Type.Optional(Type.String()),
        email: Type.Optional(Type.String()),
      }),
      authMethod: Type.Enum(['jwt', 'oauth', 'api_key']),
      scopes: Texts,
    }),
  },
})

/** The guide as data, and a protected route for each kind of credential to try it on. */
export const guideRoutes: FastifyPluginAsyncTypebox<{ findAccount: FindAccount }> = async (app, { findAccount }) => {
  app.get(
    '/api/auth/comparison',
    { schema: GUIDE, config: { access: { credentials: 'none' } } },
    async () => COMPARISON,
  )

  for (const { path, message, ...access } of DEMONSTRATIONS) {
    app.get(path, { schema: demonstration(message), config: { access } }, async (request) => {
      const principal = requirePrincipal(request)
      return {
        message,
        user: await userOf(request, findAccount),
        authMethod: WIRE_KINDS[principal.credential.kind],
        scopes: [...principal.scope],
      }
    })
  }
}

/** Who is calling; the e-mail only to a credential that may read it. */
async function userOf(request: FastifyRequest, findAccount: FindAccount) {
  const { subject, scope, role } = requirePrincipal(request)
  const account = await accountOf(request, findAccount)
  const email = scope.has('profile:read') ? account?.email : undefined
  return { id: subject.id, kind: subject.kind, role: wireRole(role), ...(email === undefined ? {} : { email }) }
}
