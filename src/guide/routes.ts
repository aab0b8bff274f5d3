import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { wireRole } from '../accounts/schemas.ts'
import { accountOf, type FindAccount, requirePrincipal } from '../credentials/plugin.ts'
import type { Credential } from '../credentials/principal.ts'
import { COMPARISON } from './comparison.ts'

const AUTH_METHODS = { first_party_jwt: 'jwt', access_token: 'oauth', api_key: 'api_key' } as const

const DEMONSTRATIONS: readonly { path: string; credentials: 'any' | Credential['kind'][]; message: string }[] = [
  { path: '/api/protected/jwt', credentials: ['first_party_jwt'], message: 'A first-party JWT opened this.' },
  { path: '/api/protected/oauth', credentials: ['access_token'], message: 'An OAuth access token opened this.' },
  { path: '/api/protected/apikey', credentials: ['api_key'], message: 'An API key opened this.' },
  { path: '/api/protected/any', credentials: 'any', message: 'Any of the three credentials opens this.' },
]

/** The guide as data, and a protected route for each kind of credential to try it on. */
export const guideRoutes: FastifyPluginAsyncTypebox<{ findAccount: FindAccount }> = async (app, { findAccount }) => {
  app.get('/api/auth/comparison', { config: { access: { credentials: 'none' } } }, async () => COMPARISON)

  for (const { path, credentials, message } of DEMONSTRATIONS) {
    app.get(path, { config: { access: { credentials } } }, async (request) => {
      const principal = requirePrincipal(request)
      return {
        message,
        user: await userOf(request, findAccount),
        authMethod: AUTH_METHODS[principal.credential.kind],
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
