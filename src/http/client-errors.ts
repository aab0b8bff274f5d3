import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { BodyTooLarge, InvalidRequest, PublicError } from '../errors.ts'
import { problemOf } from './error-handler.ts'
import { EARLY_HEADERS } from './security-headers.ts'

/** How long what a client goes on to send is read and dropped: closing with bytes unread would cost it the answer. */
const LINGER_MS = 1_000

const met = new WeakSet<Socket>()

/**
 * Answers what never became a request, because it is malformed, too large or too slow, by a problem document,
 * and closes the connection: where the next request would begin nobody knows (RFC 9112 2.2, 11.2).
 */
export function answerClientError(this: FastifyInstance, error: Error & { code?: string }, socket: Socket): void {
  // Each part that arrives after the first error is one more.
  if (met.has(socket)) return
  met.add(socket)
  this.log.debug({ code: error.code, from: socket.remoteAddress }, 'the connection failed')
  if (!socket.writable || error.code === 'ECONNRESET' || isAnsweringAnother(socket)) {
    socket.destroy()
    return
  }
  socket.end(responseTo(refusalOf(error.code)))
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}

function refusalOf(code: string | undefined): PublicError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new PublicError(408, 'request_timeout', 'The request took too long to arrive.')
    case 'HPE_HEADER_OVERFLOW':
      return new PublicError(431, 'headers_too_large', 'The request line and headers are too large.')
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new BodyTooLarge()
    default:
      return new InvalidRequest('The request is malformed.')
  }
}

/** Whether an answer is under way to an earlier request, or has begun, for which this one would be taken. */
function isAnsweringAnother(socket: Socket): boolean {
  const response = (socket as { _httpMessage?: ServerResponse | null })._httpMessage
  return response != null && (response.headersSent || response.req.complete)
}

function responseTo(error: PublicError): string {
  const body = JSON.stringify(problemOf(error))
  const headers = {
    ...EARLY_HEADERS,
    'cache-control': 'no-store',
    connection: 'close',
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${lines.join('')}\r\n${body}`
}
