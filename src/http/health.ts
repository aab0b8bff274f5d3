import type { FastifyInstance } from 'fastify'

/**
 * `/healthz`: the process lives. `/readyz`: it can serve, which `isReady` decides.
 */
export async function registerHealth(app: FastifyInstance, isReady: () => Promise<boolean>): Promise<void> {
  app.get('/healthz', async () => ({ status: 'ok' }))

  app.get('/readyz', async (request, reply) => {
    const ready = await isReady().catch((error: unknown) => {
      request.log.warn({ err: error }, 'not ready')
      return false
    })
    if (ready) return { status: 'ready' }
    return reply.status(503).header('retry-after', '2').send({ status: 'not ready' })
  })
}
