import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { isDatabaseUnavailable } from '../database/unavailable.ts'
import { BodyTooLarge, Busy, InvalidRequest, PublicError, Unavailable } from '../errors.ts'
import { Overloaded } from '../secrets/work-queue.ts'

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

/**
 * Prepares an answer by a page that shows a form again with what was wrong: status, `Retry-After`, a line in the log.
 * @returns what to show
 * @throws whatever is no refusal, for the error handler
 */
export function refusalFor(error: unknown, request: FastifyRequest, reply: FastifyReply): string {
  if (!(error instanceof PublicError) || error.status >= 500) throw error
  request.log.info({ err: error, code: error.code }, 'request refused')
  if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter))
  reply.status(error.status)
  return error.message
}

/** What the outside may be told of anything thrown. */
export function toPublicError(thrown: unknown): PublicError {
  if (thrown instanceof PublicError) return thrown
  if (thrown instanceof Overloaded) return new Busy(thrown.retryAfter, thrown)
  const { validation, statusCode, code, message, expose } = thrown as Partial<FastifyError> & { expose?: boolean }
  // Of the body's stream: a client that went away while it sent it. A lost database has no status.
  if (statusCode === 400 && code === 'ECONNRESET')
    return new InvalidRequest('The body is cut short.', { cause: thrown })
  if (isDatabaseUnavailable(thrown)) return new Unavailable(thrown)
  if (validation !== undefined) return new InvalidRequest(message ?? 'The request is malformed.', { cause: thrown })
  if (statusCode === 413) return new BodyTooLarge(thrown)
  if (statusCode === 415) {
    return new PublicError(415, 'unsupported_media_type', 'This content type is not taken here.', { cause: thrown })
  }
  const isOfRequest = code?.startsWith('FST_') || expose === true
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500 && isOfRequest) {
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
