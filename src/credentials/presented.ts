import type { FastifyRequest } from 'fastify'
import { InvalidCredential, InvalidRequest } from '../errors.ts'

const SCHEMES = { Bearer: formsOf('bearer'), DPoP: formsOf('dpop') }

function formsOf(scheme: string) {
  return {
    whole: new RegExp(`^${scheme} +([A-Za-z0-9\\-._~+/]+=*) *$`, 'i'),
    begun: new RegExp(`^${scheme}(\\s|$)`, 'i'),
  }
}

/**
 * The token of an `Authorization: Bearer` header (RFC 6750 2.1); the scheme in any case.
 * @returns undefined when there is no such header or it has another scheme
 * @throws {InvalidRequest} when the header is Bearer but not `Bearer <b64token>`
 */
export function bearerToken(request: FastifyRequest): string | undefined {
  return tokenOf(request, 'Bearer')
}

/** The token of an `Authorization: DPoP` header (RFC 9449 7.1), likewise. */
export function dpopToken(request: FastifyRequest): string | undefined {
  return tokenOf(request, 'DPoP')
}

function tokenOf(request: FastifyRequest, scheme: keyof typeof SCHEMES): string | undefined {
  const header = request.headers.authorization
  if (header === undefined) return undefined
  const { whole, begun } = SCHEMES[scheme]
  const match = whole.exec(header)
  if (match !== null) return match[1]
  if (begun.test(header)) throw new InvalidRequest(`The Authorization header must be "${scheme}" and one token.`)
  return undefined
}

/** Whether a request presents its credential by the DPoP scheme, in whatever form. */
export function isDpop({ headers }: FastifyRequest): boolean {
  return SCHEMES.DPoP.begun.test(headers.authorization ?? '')
}

/** The value of an `X-API-Key` header. */
export function apiKeyHeader(request: FastifyRequest): string | undefined {
  const header = request.headers['x-api-key']
  return Array.isArray(header) ? header.join() : header
}

type JwsHeader = Readonly<Record<string, unknown>>

/** Base64url of whole bytes whose last character has no bits to spare (RFC 4648 3.5), three times. */
const BASE64URL = '(?!\\.|$)(?:[\\w-]{4})*(?:[\\w-][AQgw]|[\\w-]{2}[AEIMQUYcgkosw048])?'
const COMPACT_JWS = new RegExp(`^${BASE64URL}\\.${BASE64URL}\\.${BASE64URL}$`)

const headers = new WeakMap<FastifyRequest, JwsHeader | undefined>()

/**
 * The protected header of a compact JWS, unverified; undefined when the text is none.
 * Base64url that another text could stand for is not taken, so that a token has one spelling.
 */
export function jwsHeader(token: string): JwsHeader | undefined {
  if (!COMPACT_JWS.test(token)) return undefined
  try {
    const header: unknown = JSON.parse(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString())
    return typeof header === 'object' && header !== null ? (header as JwsHeader) : undefined
  } catch {
    return undefined
  }
}

/** The header of the JWS that stands in a request as Bearer token, which several verifiers look at. */
export function bearerJwsHeader(request: FastifyRequest): JwsHeader | undefined {
  if (!headers.has(request)) headers.set(request, jwsHeader(bearerToken(request) ?? ''))
  return headers.get(request)
}

/**
 * A claim that is text of a form.
 * @throws {InvalidCredential} when it is anything else
 */
export function requireForm(claim: unknown, form: RegExp): string {
  if (typeof claim !== 'string' || !form.test(claim)) throw new InvalidCredential('a claim is not of its form')
  return claim
}

/** The last second that a moment can be (ECMAScript 21.4.1.1). */
const LAST_SECOND = 8_640_000_000_000

/**
 * The moment of a NumericDate claim (RFC 7519 2).
 * @throws {InvalidCredential} when it is no number, or of no moment
 */
export function requireMoment(claim: unknown): Date {
  if (typeof claim !== 'number' || !(Math.abs(claim) <= LAST_SECOND))
    throw new InvalidCredential('a claim is no moment')
  return new Date(claim * 1000)
}
