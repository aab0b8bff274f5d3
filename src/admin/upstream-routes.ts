import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Moment } from '../http/schemas.ts'
import {
  createUpstream,
  deleteUpstream,
  listUpstreams,
  type NewUpstream,
  readUpstream,
  requireUsable,
  type Upstream,
  updateUpstream,
  upstreamRedirectUri,
} from '../upstreams/upstreams.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { IfMatch, REMOVAL, removeAsRead, requireIfMatch, tagged } from './entity-tag.ts'
import { createOnce, IdempotencyKey } from './idempotency.ts'
import { createOutside } from './outside.ts'
import type { AdminOptions } from './routes.ts'

const Id = Type.String({ maxLength: 32, description: 'In the path of our redirect URI there' })
const Params = Type.Object({ id: Type.String({ maxLength: 200 }) })
const CHANGEABLE = {
  name: Type.String({ maxLength: 60, description: 'As the sign-in page shows it' }),
  clientId: Type.String({ maxLength: 1000, description: 'Of the client that we are there' }),
}
const SECRET = { clientSecret: Type.String({ maxLength: 1000 }) }
const Issuer = Type.String({ maxLength: 600, description: 'Its issuer identifier (OpenID Connect Discovery 4)' })
const UpstreamView = Type.Object({
  id: Id,
  issuer: Issuer,
  ...CHANGEABLE,
  redirectUri: Type.String({ description: 'To be registered there' }),
  createdAt: Moment,
})
const New = Type.Object({ id: Id, issuer: Issuer, ...CHANGEABLE, ...SECRET }, { additionalProperties: false })
const Change = Type.Partial(Type.Object({ ...CHANGEABLE, ...SECRET }), { additionalProperties: false })
const PATH = '/api/admin/upstreams'
const tags = ['admin']

/** OpenID Connect providers at which people sign in. */
export const upstreamRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db, issuer, sealer }) => {
  const create = createOnce({ db, sealer })
  const { isAllowed } = createOutside(issuer)
  const viewOf = ({ createdAt, ...upstream }: Upstream) => ({
    ...upstream,
    redirectUri: upstreamRedirectUri(issuer, upstream.id),
    createdAt: createdAt.toISOString(),
  })

  async function discover(upstream: NewUpstream): Promise<void> {
    const discovery = await import('../upstreams/discovery.ts')
    await discovery.discover(upstream, isAllowed)
  }

  app.get(
    PATH,
    {
      schema: {
        summary: 'List upstreams',
        description: 'The providers at which people sign in, all of them, in the order they were registered.',
        tags,
        response: { 200: Type.Object({ upstreams: Type.Array(UpstreamView) }) },
      },
      config: { access: READ },
    },
    async () => ({ upstreams: (await listUpstreams(db)).map(viewOf) }),
  )

  app.get(
    `${PATH}/:id`,
    {
      schema: {
        summary: 'Read an upstream',
        description: 'Without its secret, which is never told.',
        tags,
        params: Params,
        response: { 200: UpstreamView },
      },
      config: { access: READ },
    },
    async (request, reply) => tagged(reply, viewOf(await readUpstream(db, request.params.id))),
  )

  app.post(
    PATH,
    {
      schema: {
        summary: 'Register an upstream',
        description:
          'Its metadata must be those of its issuer, at a public address; one inside is registered by command.',
        tags,
        headers: IdempotencyKey,
        body: New,
        response: { 201: UpstreamView },
      },
      config: { access: WRITE, problems: { 409: ['upstream_exists', 'too_many_upstreams'] } },
    },
    (request, reply) =>
      create(request, reply, async (tx) => {
        await requireUsable(request.body, discover)
        const made = await createUpstream(tx, sealer, request.body, adminOrigin(request))
        return { location: `${PATH}/${made.id}`, view: viewOf(made) }
      }),
  )

  app.patch(
    `${PATH}/:id`,
    {
      schema: {
        summary: 'Change an upstream',
        description: 'Its name, or the client that we are there. Its issuer stays: whose account is whose is of that.',
        tags,
        params: Params,
        headers: IfMatch,
        body: Change,
        response: { 200: UpstreamView },
      },
      config: { access: WRITE, problems: { 428: ['precondition_required'] } },
    },
    async (request, reply) => {
      const isAsRead = requireIfMatch(request)
      const { params, body } = request
      const changed = await updateUpstream(db, sealer, params.id, body, adminOrigin(request), (before) =>
        isAsRead(viewOf(before)),
      )
      return tagged(reply, viewOf(changed))
    },
  )

  app.delete(
    `${PATH}/:id`,
    {
      schema: {
        summary: 'Delete an upstream',
        description:
          'Nobody signs in there any more, and the sessions end that came of it. Whose account is whose there is kept, for when it is back.',
        tags,
        params: Params,
        ...REMOVAL,
      },
      config: { access: WRITE },
    },
    async (request, reply) =>
      removeAsRead(request, reply, viewOf, (check) =>
        deleteUpstream(db, request.params.id, new Date(), adminOrigin(request), check),
      ),
  )
}
