import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { NotFound } from '../errors.ts'
import { STATUS_LIST_TTL, type StatusLists } from './status-lists.ts'

const MEDIA_TYPE = 'application/statuslist+jwt'
const Params = Type.Object({ list: Type.String({ pattern: '^(0|[1-9]\\d{0,8})$' }) })
const Query = Type.Object({ time: Type.Optional(Type.String({ maxLength: 20 })) })

/** The lists for whoever verifies tokens by themselves, and where they are (draft-ietf-oauth-status-list-21 8, 9). */
export const statusListRoutes: FastifyPluginAsyncTypebox<{ lists: StatusLists }> = async (app, { lists }) => {
  const headers = {
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'ETag',
    'cache-control': `public, max-age=${STATUS_LIST_TTL}`,
  }

  app.get('/oauth/status-lists', async (_request, reply) =>
    reply.headers(headers).send({ status_lists: await lists.urls() }),
  )

  app.get('/oauth/status-lists/:list', { schema: { params: Params, querystring: Query } }, async (request, reply) => {
    reply.headers({ ...headers, vary: 'accept, accept-encoding' })
    if (request.query.time !== undefined) return reply.status(501).send(refusal('lists are told as of now alone'))
    if (!accepts(request.headers.accept)) return reply.status(406).send(refusal(`a list is ${MEDIA_TYPE} alone`))
    const token = await lists.token(Number(request.params.list))
    if (token === undefined) throw new NotFound('There is no such list.')
    reply.header('etag', token.tag)
    const known = request.headers['if-none-match']?.split(',').map((tag) => tag.trim())
    if (known?.includes(token.tag)) return reply.status(304).send()
    reply.type(MEDIA_TYPE)
    const isZipped = /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(String(request.headers['accept-encoding'] ?? ''))
    return isZipped ? reply.header('content-encoding', 'gzip').send(token.gzipped) : reply.send(token.jwt)
  })
}

const refusal = (text: string) => ({ error: 'invalid_request', error_description: text })

/** Whether a list may be sent as what it is (RFC 9110 12.5.1); to who says nothing of it, it may. */
function accepts(header: string | undefined): boolean {
  if (header === undefined) return true
  return header.split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const isRefused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
    return !isRefused && ['*/*', 'application/*', MEDIA_TYPE].includes(type)
  })
}
