import type { FastifyReply, FastifyRequest } from 'fastify'
import type { PublicError } from '../errors.ts'
import { problemOf } from './error-handler.ts'
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

/** Whether the caller would rather read a page than JSON. */
export function acceptsHtml(request: FastifyRequest): boolean {
  return request.headers.accept?.includes('text/html') ?? false
}
