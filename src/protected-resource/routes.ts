import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Account } from '../accounts/accounts.ts'
import { wireRole } from '../accounts/schemas.ts'
import { accountOf, type FindAccount, requirePrincipal } from '../credentials/plugin.ts'
import type { Principal } from '../credentials/principal.ts'

/** Who am I, for any credential; e-mail and name only with `profile:read`. */
export const meRoutes: FastifyPluginAsyncTypebox<{ findAccount: FindAccount }> = async (app, { findAccount }) => {
  app.get('/api/me', { config: { access: { credentials: 'any' } } }, (request) => {
    const principal = requirePrincipal(request)
    const account = principal.scope.has('profile:read') ? accountOf(request, findAccount) : undefined
    return account instanceof Promise
      ? account.then((found) => described(principal, found))
      : described(principal, account)
  })
}

function described({ subject, clientId, credential, scope, role }: Principal, account: Account | undefined) {
  return {
    subject,
    clientId,
    credential: { kind: credential.kind, id: credential.id },
    scopes: [...scope],
    role: wireRole(role) ?? null,
    email: account?.email,
    name: account?.name,
  }
}
