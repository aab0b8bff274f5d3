import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { isDatabaseUnavailable } from '../database/unavailable.ts'
import { InvalidRequest, PublicError, Unavailable } from '../errors.ts'

/** How one part of the server tells a failure to whoever called. */
export type Respond = (error: PublicError, request: FastifyRequest, reply: FastifyReply) => unknown

/** The error handler of a scope: anything thrown becomes a public error, is logged with its cause, and told. */
export function createErrorHandler(respond: Respond) {
  return (thrown: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    const error = toPublicError(thrown)
    const level = error.status >= 500 ? 'error' : 'info'
    request.log[level]({ err: thrown, code: error.code, requestId: request.id }, 'request refused')
    reply.status(error.status)
    if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter))
    return respond(error, request, reply)
  }
}

/** What the outside may be told of anything thrown. */
export function toPublicError(thrown: unknown): PublicError {
  if (thrown instanceof PublicError) return thrown
  if (isDatabaseUnavailable(thrown)) return new Unavailable(thrown)
  const { validation, statusCode, code, message } = thrown as Partial<FastifyError>
  if (validation !== undefined) return new InvalidRequest(message ?? 'The request is malformed.', { cause: thrown })
  if (statusCode === 413)
    return new PublicError(413, 'body_too_large', 'The request body is too large.', { cause: thrown })
  if (statusCode === 415) {
    return new PublicError(415, 'unsupported_media_type', 'This content type is not taken here.', { cause: thrown })
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500 && code?.startsWith('FST_')) {
    return new PublicError(statusCode, 'invalid_request', 'The request is malformed.', { cause: thrown })
  }
  return new PublicError(500, 'server_error', 'Something went wrong on our side.', { cause: thrown })
}

/** A problem document (RFC 9457) of an error. */
export function problemOf(error: PublicError) {
  return {
    type: 'about:blank',
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    detail: error.message,
    code: error.code,
  }
}
