import type { FastifyRequest } from 'fastify'
import type { Origin } from '../audit/audit.ts'
import type { Access } from '../credentials/authorize.ts'
import { originOf, requirePrincipal } from '../credentials/plugin.ts'

/** What a route asks of whoever looks at something. */
export const READ: Access = { credentials: 'any', role: 'admin', scope: 'admin:read' }
/** What a route asks of whoever changes something. */
export const WRITE: Access = { credentials: 'any', role: 'admin', scope: 'admin:write' }

/** Which administrator asks, an account or a machine client, for the audit. */
export function adminOrigin(request: FastifyRequest): Origin {
  return { ...originOf(request), actor: requirePrincipal(request).subject }
}
