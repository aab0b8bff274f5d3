import Fastify from 'fastify'
import { serve } from '../processes/serve.ts'
import { listen, type RivalSettings } from './application.ts'

/** Fastify with one route and nothing else. */
await serve<RivalSettings>(async ({ answer }) => {
  const app = Fastify()
  app.get('/api/me', async () => ({ ...answer }))
  return listen(app)
})
