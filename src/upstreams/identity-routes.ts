import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { RECENT_SIGN_IN } from '../credentials/authorize.ts'
import { originOf, requireSession } from '../credentials/plugin.ts'
import type { Database } from '../database/client.ts'
import { requireSameOrigin } from '../http/same-origin.ts'
import { Done, MaybeMoment, MaybeText } from '../http/schemas.ts'
import type { Problems } from '../openapi/problems.ts'
import type { UpstreamCookie } from '../sessions/cookie.ts'
import { hasPassword, listLinkedUpstreams, unlinkIdentity } from './identities.ts'
import type { UpstreamSignIns } from './sign-ins.ts'
import { UPSTREAM_ID } from './upstreams.ts'

export interface IdentityRoutesOptions {
  readonly db: Database
  /** The origins whose pages may ask: ours, and those of CORS_ORIGINS. */
  readonly origins: readonly string[]
  readonly upstreamSignIns: UpstreamSignIns
  readonly upstreamCookie: UpstreamCookie
}

const Id = Type.String({ pattern: UPSTREAM_ID.source })
const tags = ['sign-in']
const LIST = {
  summary: 'List how one signs in',
  description:
    'Whether the account has a password, and at which upstream providers it is signed in to, with the `sub` of who does there.',
  tags,
  response: {
    200: Type.Object({
      password: Type.Boolean(),
      upstreams: Type.Array(
        Type.Object({ id: Type.String(), name: Type.String(), sub: MaybeText, linkedAt: MaybeMoment }),
      ),
    }),
  },
}
const LINK = {
  summary: 'Link an upstream provider',
  description:
    'For a browser, which goes to `location`, has its person sign in there anew, and comes back in the same session. Takes a recent sign-in.',
  tags,
  body: Type.Object({ upstream: Id }, { additionalProperties: false }),
  response: { 200: Type.Object({ location: Type.String() }) },
}
const UNLINK = {
  summary: 'Unlink an upstream provider',
  description: 'Ends the other sessions that came of it; the last way to sign in stays. Takes a recent sign-in.',
  tags,
  params: Type.Object({ upstream: Id }),
  response: { 200: Done },
}

/** By what people sign in to their own account. */
export const identityRoutes: FastifyPluginAsyncTypebox<IdentityRoutesOptions> = async (app, options) => {
  const { db, origins, upstreamSignIns, upstreamCookie } = options
  const firstParty = { credentials: ['first_party_jwt'] } as const
  const crossSite = { 403: ['cross_site_request'] }
  const recently = (problems: Problems) => ({
    access: { ...firstParty, maxAge: RECENT_SIGN_IN },
    problems: { ...crossSite, ...problems },
  })

  app.addHook('onRequest', async (request) => requireSameOrigin(request, origins, { proof: false }))

  app.get('/api/identities', { schema: LIST, config: { access: firstParty, problems: crossSite } }, async (request) => {
    const { accountId } = requireSession(request)
    const upstreams = await listLinkedUpstreams(db, accountId)
    return { password: await hasPassword(db, accountId), upstreams }
  })

  /**
   * Begins to link: the browser that asks goes to `location`, and must come back from there in this session, by a new
   * sign-in: whoever is signed in there may be somebody else (RFC 9700 4.7).
   */
  app.post(
    '/api/identities',
    { schema: LINK, config: recently({ 404: ['not_found'], 502: ['upstream_unavailable'] }) },
    async (request, reply) => {
      const purpose = { link: requireSession(request), maxAge: 0 }
      const visitor = { from: request.ip, browser: upstreamCookie.read(request) }
      const departure = await upstreamSignIns.begin(request.body.upstream, purpose, visitor)
      upstreamCookie.write(reply, departure.browser, departure.expires)
      return reply.header('cache-control', 'no-store').send({ location: departure.url })
    },
  )

  app.delete(
    '/api/identities/:upstream',
    { schema: UNLINK, config: recently({ 409: ['last_way_in'] }) },
    async (request) => {
      await unlinkIdentity(db, requireSession(request), request.params.upstream, new Date(), originOf(request))
      return { message: 'One does not sign in there to this account any more.' }
    },
  )
}
