import type { FastifyInstance } from 'fastify'

const Status = (description: string) => ({
  type: 'object',
  description,
  required: ['status'],
  properties: { status: { type: 'string' } },
})
const LIVES = {
  summary: 'Whether the process lives',
  description: 'Asks nothing of the database.',
  tags: ['server'],
  response: { 200: Status('It lives.') },
}
const SERVES = {
  summary: 'Whether the process can serve',
  description: 'Whether the database answers and is migrated.',
  tags: ['server'],
  response: { 200: Status('It can.'), 503: Status('It cannot yet, or for a moment not.') },
}

/**
 * `/healthz`: the process lives. `/readyz`: it can serve, which `isReady` decides.
 */
export async function registerHealth(app: FastifyInstance, isReady: () => Promise<boolean>): Promise<void> {
  app.get('/healthz', { schema: LIVES }, async () => ({ status: 'ok' }))

  app.get('/readyz', { schema: SERVES }, async (request, reply) => {
    const ready = await isReady().catch((error: unknown) => {
      request.log.warn({ err: error }, 'not ready')
      return false
    })
    if (ready) return { status: 'ready' }
    return reply.status(503).header('retry-after', '2').send({ status: 'not ready' })
  })
}
