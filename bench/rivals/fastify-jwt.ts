import { createPublicKey, type JsonWebKey } from 'node:crypto'
import fastifyJwt from '@fastify/jwt'
import { serveApplication } from './application.ts'
import type { JwtSettings } from './jose.ts'

/** `@fastify/jwt` with ES256, with or without the cache it has for verified tokens. */
await serveApplication<JwtSettings & { readonly cache: boolean }>(async (app, { publicJwk, issuer, cache }) => {
  const key = createPublicKey({ key: publicJwk as JsonWebKey, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
  await app.register(fastifyJwt, {
    secret: { public: String(key) },
    verify: { algorithms: ['ES256'], allowedIss: issuer, allowedAud: issuer, cache },
  })
  app.addHook('onRequest', async (request) => {
    await request.jwtVerify()
  })
})
