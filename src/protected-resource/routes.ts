import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Account } from '../accounts/accounts.ts'
import { wireRole } from '../accounts/schemas.ts'
import { accountOf, type FindAccount, requirePrincipal } from '../credentials/plugin.ts'
import type { Principal } from '../credentials/principal.ts'
import { MaybeText, Texts } from '../http/schemas.ts'

export const ME = {
  summary: 'Who the credential stands for',
  description: 'E-mail and name are told with the scope `profile:read` alone.',
  tags: ['caller'],
  response: {
    200: Type.Object({
      subject: Type.Object({ kind: Type.Enum(['account', 'client']), id: Type.String() }),
      clientId: Type.Optional(Type.String({ description: 'The OAuth client that acts, when there is one.' })),
      credential: Type.Object({ kind: Type.Enum(['access_token', 'first_party_jwt', 'api_key']), id: Type.String() }),
      scopes: Texts,
      role: MaybeText,
      email: Type.Optional(Type.String()),
      name: Type.Optional(MaybeText),
    }),
  },
}

/** Who am I, for any credential; e-mail and name only with `profile:read`. */
export const meRoutes: FastifyPluginAsyncTypebox<{ findAccount: FindAccount }> = async (app, { findAccount }) => {
  app.get('/api/me', { schema: ME, config: { access: { credentials: 'any' } } }, (request) => {
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
