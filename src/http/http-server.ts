import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { NotFound } from '../errors.ts'
import { answerClientError } from './client-errors.ts'
import { boundConnections, CONNECTION_LIMITS, type ConnectionLimits } from './connections.ts'
import { createErrorHandler } from './error-handler.ts'
import { respondEarly, respondWithPage } from './error-page.ts'
import { loggerOptions } from './logger.ts'
import { registerSecurityHeaders } from './security-headers.ts'
import { requireWellFormed } from './well-formed.ts'

export interface HttpOptions {
  readonly logLevel: string
  /** Where the log goes; standard output when left out. */
  readonly logStream?: { write(line: string): void } | undefined
  /** Addresses or networks whose X-Forwarded-* are believed. */
  readonly trustProxy: readonly string[]
  /** The certificate and private key to speak TLS with, in PEM; undefined for plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /** Whether clients are asked for a certificate, which they need not have. */
  readonly asksCertificates?: boolean
  /** Where they are to differ from {@link CONNECTION_LIMITS}. */
  readonly limits?: Partial<ConnectionLimits> | undefined
}

/** Bytes of a request body. */
export const BODY_LIMIT = 64 * 1024

/** A client identifier of 200 characters, each of which may be written as three. */
const MAX_PARAMETER = 600

/** Between two warnings that connections were closed because there were too many. */
const WARNING_MS = 60_000

/** A server without routes: its log, limits, headers, and what it says of errors. */
export async function createHttpServer(options: HttpOptions): Promise<FastifyInstance> {
  const { logLevel, logStream, trustProxy } = options
  const limits = { ...CONNECTION_LIMITS, ...options.limits }
  const app = Fastify({
    logger: loggerOptions(logLevel, logStream),
    trustProxy: trustProxy.length > 0 ? [...trustProxy] : false,
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: MAX_PARAMETER },
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    connectionTimeout: limits.idleTimeout,
    ...transportOf(options, limits),
    clientErrorHandler: answerClientError,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
    frameworkErrors: (error, request, reply) => createErrorHandler(respondEarly)(error, request, reply as FastifyReply),
  })
  boundAndWarn(app, limits, trustProxy)
  // From here on Node looks at no timeout: what is half sent would hold the server up.
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), limits.closingTimeout).unref()
  })
  app.setErrorHandler(createErrorHandler(respondWithPage))
  app.setNotFoundHandler(() => {
    throw new NotFound()
  })
  app.addHook('preValidation', requireWellFormed)
  await registerSecurityHeaders(app)
  await app.register(cookie)
  return app
}

/** A client's certificate proves its key alone: whose it is, is for whoever looks at it. */
function transportOf({ tls, asksCertificates = false }: HttpOptions, limits: ConnectionLimits) {
  const http = {
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.requestTimeout,
    connectionsCheckingInterval: limits.checkingInterval,
    maxHeaderSize: limits.maxHeaderSize,
  }
  if (tls === undefined) return { http }
  // Fastify's types tell the two kinds of server apart, which are used alike here.
  return {
    https: {
      ...http,
      ...tls,
      handshakeTimeout: limits.headersTimeout,
      requestCert: asksCertificates,
      rejectUnauthorized: false,
    } as unknown as null,
  }
}

/** A loopback address is a proxy's, or the operator's own. */
function boundAndWarn(app: FastifyInstance, limits: ConnectionLimits, trustProxy: readonly string[]): void {
  let warnedAt = Number.NEGATIVE_INFINITY
  boundConnections(app.server, limits, ['loopback', ...trustProxy], () => {
    const now = performance.now()
    if (now - warnedAt < WARNING_MS) return
    warnedAt = now
    app.log.warn('too many connections at a time: the latest were closed')
  })
}
