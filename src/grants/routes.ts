import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { redirectHost } from '../clients/redirect-uris.ts'
import { originOf, requirePrincipal } from '../credentials/plugin.ts'
import type { Database } from '../database/client.ts'
import { Done, MaybeText, Moment, Texts } from '../http/schemas.ts'
import { listGrants, revokeGrants } from './grants.ts'

const Params = Type.Object({ clientId: Type.String({ maxLength: 200 }) })
const tags = ['grants']
const LIST = {
  summary: 'List what is allowed',
  description: 'The applications that the account has allowed, and what each may do.',
  tags,
  response: {
    200: Type.Object({
      grants: Type.Array(
        Type.Object({
          clientId: Type.String(),
          clientName: Type.String(),
          host: MaybeText,
          scopes: Texts,
          detailsTypes: Texts,
          createdAt: Moment,
          expiresAt: Moment,
        }),
      ),
    }),
  },
}
const REVOKE = {
  summary: 'Take back what is allowed',
  description: 'Ends all access of an application to the account, on the next request.',
  tags,
  params: Params,
  response: { 200: Done },
}
const firstParty = { access: { credentials: ['first_party_jwt'] } } as const

/** What a person has allowed which application, and taking it back (ASVS V10.7.3). */
export const grantRoutes: FastifyPluginAsyncTypebox<{ db: Database }> = async (app, { db }) => {
  app.get('/api/grants', { schema: LIST, config: firstParty }, async (request) => {
    const grants = await listGrants(db, requirePrincipal(request).subject.id, new Date())
    return {
      grants: grants.map(({ redirectUri, scope, ...grant }) => ({
        ...grant,
        host: redirectUri === undefined ? null : redirectHost(redirectUri),
        scopes: scope,
      })),
    }
  })

  app.delete('/api/grants/:clientId', { schema: REVOKE, config: firstParty }, async (request) => {
    const accountId = requirePrincipal(request).subject.id
    await revokeGrants(db, accountId, request.params.clientId, new Date(), originOf(request))
    return { message: 'The application has no access any more.' }
  })
}
