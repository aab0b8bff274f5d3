import type { FastifyInstance } from 'fastify'
import { DPOP_ALGS } from '../credentials/dpop-proof.ts'
import { builtInIdentifier } from '../resources/resources.ts'
import { API_SCOPES } from '../resources/scopes.ts'

/**
 * Where the metadata of a resource lies: its path goes behind the well-known one (RFC 9728 3.1). Fit for a quoted
 * string; undefined for a resource that lies nowhere on the web.
 */
export function resourceMetadataUrl(identifier: string): string | undefined {
  const url = URL.parse(identifier)
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined
  const path = url.pathname === '/' ? '' : url.pathname
  return `${url.origin}/.well-known/oauth-protected-resource${path}${url.search}`.replaceAll('\\', '%5C')
}

const METADATA = {
  summary: 'Protected resource metadata',
  description: 'Which authorization server gives tokens for this API, and for which scopes (RFC 9728 3).',
  tags: ['server'],
  response: { 200: { description: 'The metadata.', type: 'object', additionalProperties: true } },
}

/**
 * Protected resource metadata (RFC 9728 2), at the path of the resource and at the root, where the
 * `resource` is the one that the root names.
 */
export async function registerResourceMetadata(app: FastifyInstance, issuer: string): Promise<void> {
  const describe = (resource: string) => ({
    resource,
    authorization_servers: [issuer],
    scopes_supported: Object.keys(API_SCOPES),
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: DPOP_ALGS,
    resource_name: 'Gatehouse API',
    resource_documentation: `${issuer}/api/auth/comparison`,
  })
  const headers = { 'access-control-allow-origin': '*', 'cache-control': 'public, max-age=3600' }

  app.get('/.well-known/oauth-protected-resource/api', { schema: METADATA }, async (_request, reply) =>
    reply.headers(headers).send(describe(builtInIdentifier(issuer))),
  )
  app.get('/.well-known/oauth-protected-resource', { schema: METADATA }, async (_request, reply) =>
    reply.headers(headers).send(describe(builtInIdentifier(issuer))),
  )
}
