import type { FastifyRequest } from 'fastify'
import { InvalidCredential, InvalidRequest } from '../errors.ts'

/**
 * The token of an `Authorization: Bearer` header (RFC 6750 2.1); the scheme in any case.
 * @returns undefined when there is no such header or it has another scheme
 * @throws {InvalidRequest} when the header is Bearer but not `Bearer <b64token>`
 */
export function bearerToken(request: FastifyRequest): string | undefined {
  const header = request.headers.authorization
  if (header === undefined) return undefined
  const match = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(header)
  if (match !== null) return match[1]
  if (/^bearer(\s|$)/i.test(header))
    throw new InvalidRequest('The Authorization header must be "Bearer" and one token.')
  return undefined
}

/** The value of an `X-API-Key` header. */
export function apiKeyHeader(request: FastifyRequest): string | undefined {
  const header = request.headers['x-api-key']
  return Array.isArray(header) ? header.join() : header
}

/**
 * The protected header of a compact JWS, unverified; undefined when the text is none.
 * Base64url that another text could stand for is not taken, so that a token has one spelling.
 */
export function jwsHeader(token: string): Readonly<Record<string, unknown>> | undefined {
  const parts = token.split('.')
  if (parts.length !== 3 || !parts.every(isCanonicalBase64url)) return undefined
  try {
    const header: unknown = JSON.parse(Buffer.from(parts[0] ?? '', 'base64url').toString())
    return typeof header === 'object' && header !== null ? (header as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function isCanonicalBase64url(part: string): boolean {
  return part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part
}

/**
 * A claim that is text of a form.
 * @throws {InvalidCredential} when it is anything else
 */
export function requireForm(claim: unknown, form: RegExp): string {
  if (typeof claim !== 'string' || !form.test(claim)) throw new InvalidCredential('a claim is not of its form')
  return claim
}
