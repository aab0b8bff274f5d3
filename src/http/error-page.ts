import type { FastifyReply, FastifyRequest } from 'fastify'
import type { PublicError } from '../errors.ts'
import { problemOf } from './error-handler.ts'
import { EARLY_HEADERS } from './security-headers.ts'
import { renderView } from './views.ts'

/** Tells a failure to a person by a page, and to anything else by a problem document. */
export function respondWithPage(error: PublicError, request: FastifyRequest, reply: FastifyReply): unknown {
  if (!acceptsHtml(request)) return reply.type('application/problem+json').send(problemOf(error))
  const page = renderView('error', {
    status: error.status,
    title: error.status >= 500 ? 'Something went wrong' : 'This page cannot be shown',
    message: error.message,
    code: error.code,
    reference: request.id,
  })
  return reply.type('text/html; charset=utf-8').header('cache-control', 'no-store').send(page)
}

/**
 * Tells a failure that Fastify meets before any hook has run, such as a path that cannot be decoded:
 * the headers of every response are set here.
 */
export function respondEarly(error: PublicError, request: FastifyRequest, reply: FastifyReply): unknown {
  reply.headers(EARLY_HEADERS)
  if (request.url.startsWith('/api/')) return reply.type('application/problem+json').send(problemOf(error))
  return respondWithPage(error, request, reply)
}

/** Whether the caller would rather read a page than JSON. */
export function acceptsHtml(request: FastifyRequest): boolean {
  return request.headers.accept?.includes('text/html') ?? false
}
