import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { acceptsHtml } from '../http/error-page.ts'
import { assetsFolder, renderView } from '../http/views.ts'

export interface HomeOptions {
  readonly issuer: string
  readonly signUp: 'open' | 'closed'
}

/** `/`: the single-page app for a browser, an index of the endpoints for anything else; and the assets of all pages. */
export async function homeRoutes(app: FastifyInstance, { issuer, signUp }: HomeOptions): Promise<void> {
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

  app.get('/', async (request, reply) => {
    reply.header('vary', 'accept')
    if (!acceptsHtml(request)) return index(issuer)
    return reply
      .type('text/html; charset=utf-8')
      .header('cache-control', 'no-cache')
      .send(renderView('home', { signUp: signUp === 'open', issuer }))
  })
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
      token: `${issuer}/oauth/token`,
      introspect: `${issuer}/oauth/introspect`,
      revoke: `${issuer}/oauth/revoke`,
      userinfo: `${issuer}/oauth/userinfo`,
      jwks: `${issuer}/oauth/jwks`,
      register: `${issuer}/oauth/register`,
      logout: `${issuer}/oauth/logout`,
    },
    api: {
      register: `${issuer}/api/auth/register`,
      signIn: `${issuer}/api/auth/login/jwt`,
      refresh: `${issuer}/api/auth/refresh`,
      signOut: `${issuer}/api/auth/logout`,
      makeApiKey: `${issuer}/api/auth/apikey/generate`,
      apiKeys: `${issuer}/api/keys`,
      grants: `${issuer}/api/grants`,
      me: `${issuer}/api/me`,
      accounts: `${issuer}/api/admin/users`,
      guide: `${issuer}/api/auth/comparison`,
    },
  }
}
