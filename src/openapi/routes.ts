import type { FastifyInstance, FastifyReply } from 'fastify'
import { acceptsHtml } from '../http/error-page.ts'
import { renderView } from '../http/views.ts'
import type { Document } from './document-types.ts'
import { referenceOf } from './reference.ts'

const response = { 200: { description: 'The document.', type: 'object', additionalProperties: true } }
const REFERENCE = {
  summary: 'The reference',
  description: 'For a browser this document as a page, for anything else as JSON.',
  tags: ['server'],
  response,
}
const DOCUMENT = {
  summary: 'This document',
  description: 'In OpenAPI 3.1, for any origin.',
  tags: ['server'],
  response,
}

/** The OpenAPI document and the page that shows it, for anyone; each is written once, when it is asked for first. */
export async function documentRoutes(app: FastifyInstance): Promise<void> {
  let page: string | undefined
  let json: string | undefined

  app.get('/docs', { schema: REFERENCE }, async (request, reply) => {
    reply.header('vary', 'accept')
    if (!acceptsHtml(request)) return sendDocument(reply)
    page ??= renderView('docs', referenceOf(app.swagger() as unknown as Document))
    return reply.type('text/html; charset=utf-8').header('cache-control', 'no-cache').send(page)
  })

  app.get('/docs/openapi.json', { schema: DOCUMENT }, async (_request, reply) => sendDocument(reply))

  function sendDocument(reply: FastifyReply) {
    json ??= JSON.stringify(app.swagger())
    return reply
      .type('application/json; charset=utf-8')
      .headers({ 'access-control-allow-origin': '*', 'cache-control': 'public, max-age=300' })
      .send(json)
  }
}
