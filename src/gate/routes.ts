import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Refusals } from '../audit/refusals.ts'
import { originOf, requirePrincipal } from '../credentials/plugin.ts'
import { WIRE_KINDS } from '../credentials/principal.ts'
import { InsufficientScope } from '../errors.ts'
import { SCOPE_TOKEN, splitScope } from '../resources/scopes.ts'

/** Scope tokens with a space between each (RFC 6749 3.3). */
const Scope = Type.String({ pattern: `^${SCOPE_TOKEN}( ${SCOPE_TOKEN})*$`, maxLength: 1024 })
const Resource = Type.String({ format: 'uri', maxLength: 512 })
const Query = Type.Object(
  { scope: Type.Optional(Scope), resource: Type.Optional(Resource) },
  { additionalProperties: false },
)
const Params = Type.Object({ scope: Scope, '*': Type.String() })

const headers = Object.fromEntries(
  Object.entries({
    'X-Auth-Subject': 'The account or client.',
    'X-Auth-Client': 'The OAuth client that acts, or nothing.',
    'X-Auth-Scope': 'What it may do.',
    'X-Auth-Method': '`jwt`, `oauth` or `api_key`.',
  }).map(([name, description]) => [name, { type: 'string', description }]),
)
const VERIFY = {
  summary: 'Judge a request for a gateway',
  description:
    'Judges the credential in the headers, which a gateway passes on from the request that it got. `/gate/verify/{scope}/` ' +
    'with anything behind it does the same, by any method, for gateways that put the path of the request behind a prefix.',
  tags: ['gateway'],
  querystring: Query,
  response: { 200: Type.Unsafe<undefined>({ type: 'null', description: 'Let it through.', headers }) },
}
const access = { credentials: 'any' } as const
/** A resource that is not one text is refused later, by its schema. */
const resource = ({ query }: FastifyRequest) => {
  const { resource } = query as { resource?: unknown }
  return typeof resource === 'string' ? resource : undefined
}

/**
 * Forward authentication: a gateway sends each request here before it lets it through to an API behind it, with the
 * credential that the request bears. 200 says in `X-Auth-*` who is calling; 401 and 403 are for the caller as they are.
 */
export const gateRoutes: FastifyPluginAsyncTypebox<{ refusals: Refusals }> = async (app, { refusals }) => {
  // Gateways send the method, type and length of a body that they do not send.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, body, done) => {
    body.resume()
    done(null)
  })

  app.get(
    '/gate/verify',
    {
      schema: VERIFY,
      config: { access: { ...access, resource }, problems: { 403: ['insufficient_scope'] } },
    },
    (request, reply) => answer(request, reply, request.query.scope),
  )

  /**
   * For gateways that put the path and query of the request behind a prefix: what the caller wrote there says nothing.
   */
  app.all('/gate/verify/:scope/*', { schema: { hide: true, params: Params }, config: { access } }, (request, reply) =>
    answer(request, reply, request.params.scope),
  )

  async function answer(request: FastifyRequest, reply: FastifyReply, scope: string | undefined) {
    const { subject, clientId, credential, scope: granted } = requirePrincipal(request)
    if (!splitScope(scope).every((name) => granted.has(name))) {
      const error = new InsufficientScope(scope ?? '')
      void refusals.note({
        type: 'gate.request',
        ...originOf(request),
        subject,
        details: { reason: error.code, scope, ...forwarded(request) },
      })
      throw error
    }
    reply.headers({
      'cache-control': 'no-store',
      'x-auth-subject': subject.id,
      'x-auth-client': clientId ?? '',
      'x-auth-scope': [...granted].join(' '),
      'x-auth-method': WIRE_KINDS[credential.kind],
    })
    return reply.send()
  }
}

/** What was asked of the API behind the gateway, as the gateway says: only one in TRUST_PROXY is believed. */
function forwarded({ headers, ips }: FastifyRequest): { readonly method?: string; readonly path?: string } {
  if (ips === undefined || ips.length < 2) return {}
  const [method, uri] = [headers['x-forwarded-method'], headers['x-forwarded-uri']]
  return {
    ...(typeof method === 'string' ? { method: method.slice(0, 16) } : {}),
    ...(typeof uri === 'string' ? { path: uri.split('?', 1)[0]?.slice(0, 256) } : {}),
  }
}
