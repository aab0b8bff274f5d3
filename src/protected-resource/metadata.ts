import type { FastifyInstance } from 'fastify'
import { builtInIdentifier } from '../resources/resources.ts'
import { API_SCOPES } from '../resources/scopes.ts'

/** Where the metadata of the built-in resource lies (RFC 9728 3.1: the path goes behind the well-known one). */
export const resourceMetadataUrl = (issuer: string) => `${issuer}/.well-known/oauth-protected-resource/api`

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
    resource_name: 'Gatehouse API',
    resource_documentation: `${issuer}/api/auth/comparison`,
  })
  const headers = { 'access-control-allow-origin': '*', 'cache-control': 'public, max-age=3600' }

  app.get('/.well-known/oauth-protected-resource/api', async (_request, reply) =>
    reply.headers(headers).send(describe(builtInIdentifier(issuer))),
  )
  app.get('/.well-known/oauth-protected-resource', async (_request, reply) =>
    reply.headers(headers).send(describe(builtInIdentifier(issuer))),
  )
}
