import type { FastifyInstance, FastifyRequest, HTTPMethods } from 'fastify'
import { BodyTooLarge, InvalidRequest } from '../errors.ts'
import { BODY_LIMIT } from '../http/http-server.ts'
import type { Engine } from './engine.ts'

/** Every path of the engine that is reachable; whatever it adds in an upgrade is not, until it is written here. */
const ROUTES: readonly { url: string; method: HTTPMethods[] }[] = [
  { url: '/.well-known/openid-configuration', method: ['GET', 'OPTIONS'] },
  { url: '/.well-known/oauth-authorization-server', method: ['GET', 'OPTIONS'] },
  { url: '/oauth/authorize', method: ['GET'] },
  { url: '/oauth/authorize/:uid', method: ['GET'] },
  { url: '/oauth/par', method: ['POST', 'OPTIONS'] },
  { url: '/oauth/device', method: ['POST', 'OPTIONS'] },
  { url: '/oauth/backchannel', method: ['POST'] },
  { url: '/oauth/token', method: ['POST', 'OPTIONS'] },
  { url: '/oauth/introspect', method: ['POST', 'OPTIONS'] },
  { url: '/oauth/revoke', method: ['POST', 'OPTIONS'] },
  { url: '/oauth/userinfo', method: ['GET', 'POST', 'OPTIONS'] },
  { url: '/oauth/jwks', method: ['GET', 'OPTIONS'] },
  { url: '/oauth/register', method: ['POST'] },
  { url: '/oauth/register/:clientId', method: ['GET', 'PUT', 'DELETE'] },
  { url: '/oauth/logout', method: ['GET'] },
  { url: '/oauth/logout/confirm', method: ['POST'] },
  { url: '/oauth/logout/success', method: ['GET'] },
]

/** Where applications in pages of any origin register themselves; nothing that a browser adds by itself is looked at. */
const REGISTRATION: Readonly<Record<string, string>> = {
  '/oauth/register': 'POST',
  '/oauth/register/:clientId': 'GET,PUT,DELETE',
}
const READABLE = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'WWW-Authenticate,Retry-After' }

export interface MountOptions {
  /** The engine in force; asked on each request, because a key rotation replaces it. */
  readonly engine: () => Engine
  readonly issuer: string
}

/**
 * Mounts the engine by explicit routes, so that Fastify's hooks come before it. It builds URLs from
 * Host and X-Forwarded-*: those are set here from the issuer, whatever the request says.
 */
export async function mountProvider(app: FastifyInstance, { engine, issuer }: MountOptions): Promise<void> {
  const { host, protocol } = new URL(issuer)

  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))

    scope.addHook('onRequest', async (request, reply) => {
      if (/%00/i.test(request.raw.url ?? '')) throw new InvalidRequest('The request holds a NUL.')
      if (Number(request.headers['content-length'] ?? 0) <= BODY_LIMIT) return
      reply.header('connection', 'close')
      throw new BodyTooLarge()
    })

    for (const route of ROUTES) {
      scope.route({
        ...route,
        async handler(request, reply) {
          pin(request)
          reply.hijack()
          if (route.url in REGISTRATION) reply.raw.setHeaders(new Map(Object.entries(READABLE)))
          await engine().handle(request.raw, reply.raw)
        },
      })
    }

    for (const [url, methods] of Object.entries(REGISTRATION)) {
      scope.options(url, async (_request, reply) =>
        reply
          .status(204)
          .headers({ ...READABLE, 'access-control-allow-methods': methods })
          .header('access-control-allow-headers', 'authorization,content-type')
          .header('access-control-max-age', '3600')
          .send(),
      )
    }
  })

  /** A request by POST is the same request (OpenID Connect Core 3.1.2.1); a redirect brings the cookies along. */
  await app.register(async (posted) => {
    posted.removeAllContentTypeParsers()
    posted.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      async (_request: FastifyRequest, body: string) => [...new URLSearchParams(body)],
    )
    for (const url of ['/oauth/authorize', '/oauth/logout']) {
      posted.post(url, async (request, reply) => {
        const query = new URLSearchParams(request.body as [string, string][])
        return reply.redirect(`${url}?${query}`, 303)
      })
    }
  })

  function pin(request: FastifyRequest): void {
    const { headers } = request.raw
    headers.host = host
    headers['x-forwarded-host'] = host
    headers['x-forwarded-proto'] = protocol.slice(0, -1)
    headers['x-forwarded-for'] = request.ip
    Object.assign(request.raw, { arrivedAt: new Date() })
  }
}
