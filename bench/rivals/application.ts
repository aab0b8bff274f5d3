import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance } from 'fastify'
import { createErrorHandler } from '../../src/http/error-handler.ts'
import { respondWithPage } from '../../src/http/error-page.ts'
import { loggerOptions } from '../../src/http/logger.ts'
import { registerSecurityHeaders } from '../../src/http/security-headers.ts'
import { requireWellFormed } from '../../src/http/well-formed.ts'
import { type Serving, serve } from '../processes/serve.ts'

/** What every rival is told: the answer it gives, which is Gatehouse's to the same request. */
export interface RivalSettings {
  readonly answer: object
}

/**
 * Serves `GET /api/me` with Gatehouse's own answer and, around it, the plugins and hooks that Gatehouse
 * has around its API: same headers, same bytes. What a rival adds is how it judges the credential.
 */
export function serveApplication<Settings extends RivalSettings>(
  judge: (app: FastifyInstance, settings: Settings) => Promise<void>,
): Promise<void> {
  return serve<Settings>(async (settings) => {
    const app = Fastify({
      logger: loggerOptions('silent'),
      bodyLimit: 64 * 1024,
      requestTimeout: 30_000,
      ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
    })
    app.setErrorHandler(createErrorHandler(respondWithPage))
    app.addHook('preValidation', requireWellFormed)
    await registerSecurityHeaders(app)
    await app.register(cookie)
    await judge(app, settings)
    const { answer } = settings
    app.get('/api/me', async () => ({ ...answer }))
    return listen(app)
  })
}

/** Has a Fastify server listen on a free port of the loopback interface. */
export async function listen(app: FastifyInstance): Promise<Serving> {
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    url,
    async close() {
      app.server.closeAllConnections()
      await app.close()
    },
  }
}
