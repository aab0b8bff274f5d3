import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { acceptsHtml } from '../http/error-page.ts'
import { assetsFolder, renderView } from '../http/views.ts'
import type { ShownUpstreams } from '../upstreams/shown.ts'

export interface HomeOptions {
  readonly issuer: string
  readonly signUp: 'open' | 'closed'
  readonly upstreams: ShownUpstreams
}

/** `/`: the single-page app for a browser, an index of the endpoints for anything else; and the assets of all pages. */
export async function homeRoutes(app: FastifyInstance, { issuer, signUp, upstreams }: HomeOptions): Promise<void> {
  await app.register(fastifyStatic, {
    root: assetsFolder,
    prefix: '/assets/',
    index: false,
    // A route for each file that there is, and nothing that looks for others.
    wildcard: false,
    decorateReply: false,
    cacheControl: true,
    maxAge: '5m',
  })

  app.get('/', { schema: INDEX }, async (request, reply) => {
    reply.header('vary', 'accept')
    if (!acceptsHtml(request)) return index(issuer)
    const shown = (await upstreams()).map(({ id, name }) => ({ id, name, href: `/upstreams/${id}` }))
    return reply
      .type('text/html; charset=utf-8')
      .header('cache-control', 'no-cache')
      .send(renderView('home', { signUp: signUp === 'open', issuer, upstreams: shown }))
  })
}

const INDEX = {
  summary: 'Where everything is',
  description: 'The endpoints of this server by name; for a browser a page to sign in at.',
  tags: ['server'],
  response: { 200: { description: 'Groups of addresses.', type: 'object', additionalProperties: true } },
}

function index(issuer: string) {
  return {
    name: 'Gatehouse',
    issuer,
    discovery: {
      openid: `${issuer}/.well-known/openid-configuration`,
      oauth: `${issuer}/.well-known/oauth-authorization-server`,
      resource: `${issuer}/.well-known/oauth-protected-resource/api`,
    },
    oauth: {
      authorize: `${issuer}/oauth/authorize`,
      pushedAuthorization: `${issuer}/oauth/par`,
      device: `${issuer}/oauth/device`,
      backchannelAuthentication: `${issuer}/oauth/backchannel`,
      token: `${issuer}/oauth/token`,
      introspect: `${issuer}/oauth/introspect`,
      revoke: `${issuer}/oauth/revoke`,
      userinfo: `${issuer}/oauth/userinfo`,
      jwks: `${issuer}/oauth/jwks`,
      statusLists: `${issuer}/oauth/status-lists`,
      register: `${issuer}/oauth/register`,
      logout: `${issuer}/oauth/logout`,
    },
    api: {
      register: `${issuer}/api/auth/register`,
      signIn: `${issuer}/api/auth/login/jwt`,
      refresh: `${issuer}/api/auth/refresh`,
      signOut: `${issuer}/api/auth/logout`,
      changePassword: `${issuer}/api/auth/password`,
      makeApiKey: `${issuer}/api/auth/apikey/generate`,
      apiKeys: `${issuer}/api/keys`,
      grants: `${issuer}/api/grants`,
      sessions: `${issuer}/api/sessions`,
      identities: `${issuer}/api/identities`,
      me: `${issuer}/api/me`,
      accounts: `${issuer}/api/admin/users`,
      guide: `${issuer}/api/auth/comparison`,
    },
    documentation: { reference: `${issuer}/docs`, openapi: `${issuer}/docs/openapi.json` },
    gate: { verify: `${issuer}/gate/verify` },
  }
}
