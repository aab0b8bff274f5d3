import { STATUS_CODES } from 'node:http'
import type { FastifySchema } from 'fastify'
import type { Access } from '../credentials/authorize.ts'
import type { Operation } from './document-types.ts'

/** The codes by which a request may be refused, by status. */
export type Problems = Readonly<Record<number, readonly string[]>>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The codes that this route alone knows, by status; those of its schema and its access follow from them. */
    problems?: Problems
  }
}

/** A problem document (RFC 9457). */
export const PROBLEM = {
  type: 'object',
  title: 'Problem',
  description: 'What went wrong (RFC 9457). Tell problems apart by `code`.',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string', const: 'about:blank' },
    title: { type: 'string', description: 'The name of the status.' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What went wrong, for people.' },
    code: { type: 'string', description: 'What went wrong, for programs: it stays the same.' },
  },
}

/** All by which a request to a route may be refused. */
export function problemsOf(schema: FastifySchema, access: Access | undefined, own: Problems = {}): Problems {
  const found: Record<number, string[]> = {}
  const add = (status: number, ...codes: string[]) => {
    found[status] = [...new Set([...(found[status] ?? []), ...codes])]
  }
  const takesCredential = access !== undefined && access.credentials !== 'none'
  if (takesCredential || schema.body || schema.querystring || schema.params || schema.headers) {
    add(400, 'invalid_request')
  }
  if (takesCredential) addOfAccess(access, add)
  if (access !== undefined && schema.params) add(404, 'not_found')
  if (schema.body) {
    add(413, 'body_too_large')
    add(415, 'unsupported_media_type')
  }
  const headers = Object.keys((schema.headers as { properties?: object } | undefined)?.properties ?? {})
  if (headers.includes('if-match')) add(412, 'precondition_failed')
  if (headers.includes('idempotency-key')) add(422, 'idempotency_key_reused')
  for (const [status, codes] of Object.entries(own)) add(Number(status), ...codes)
  if (access !== undefined) add(503, 'temporarily_unavailable')
  return found
}

function addOfAccess(access: Access, add: (status: number, ...codes: string[]) => void): void {
  const { credentials, role, scope, maxAge } = access
  add(401, 'credential_required', 'invalid_token')
  if (typeof credentials === 'string' || credentials.includes('access_token')) {
    add(401, 'invalid_dpop_proof', 'use_dpop_nonce')
  }
  if (maxAge !== undefined) add(401, 'insufficient_user_authentication')
  if (typeof credentials !== 'string' || maxAge !== undefined) add(403, 'credential_not_accepted')
  if (role !== undefined) add(403, 'insufficient_role')
  if (scope !== undefined) add(403, 'insufficient_scope')
  add(429, 'too_many_attempts')
}

const header = (description: string) => ({ description, schema: { type: 'string' } })
const RETRY_AFTER = { 'Retry-After': header('Seconds to wait (RFC 9110 10.2.3).') }
const HEADERS: Readonly<Record<number, Readonly<Record<string, object>>>> = {
  401: { 'WWW-Authenticate': header('What to present (RFC 6750 3, RFC 9449 7.1, RFC 9728 5.1).') },
  403: { 'WWW-Authenticate': header('What is missing (RFC 6750 3.1).') },
  429: RETRY_AFTER,
  503: RETRY_AFTER,
}

/** The responses of the document for problems, by status. */
export function problemResponses(problems: Problems): Operation['responses'] {
  return Object.fromEntries(
    Object.entries(problems).map(([status, codes]) => [
      status,
      {
        description: STATUS_CODES[status] ?? 'Refused',
        ...(HEADERS[Number(status)] === undefined ? {} : { headers: HEADERS[Number(status)] }),
        content: {
          'application/problem+json': {
            schema: { $ref: '#/components/schemas/Problem', properties: { code: { enum: [...codes] } } },
          },
        },
      },
    ]),
  )
}
