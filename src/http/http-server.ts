import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { NotFound } from '../errors.ts'
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
}

/** A server without routes: its log, limits, headers, and what it says of errors. */
export async function createHttpServer({ logLevel, logStream, trustProxy }: HttpOptions): Promise<FastifyInstance> {
  const app = Fastify({
    logger: loggerOptions(logLevel, logStream),
    trustProxy: trustProxy.length > 0 ? [...trustProxy] : false,
    bodyLimit: 64 * 1024,
    requestTimeout: 30_000,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
    frameworkErrors: (error, request, reply) => createErrorHandler(respondEarly)(error, request, reply as FastifyReply),
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
