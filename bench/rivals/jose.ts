import { importJWK, type JWK, jwtVerify } from 'jose'
import { type RivalSettings, serveApplication } from './application.ts'

export interface JwtSettings extends RivalSettings {
  readonly publicJwk: JWK
  readonly issuer: string
}

/** One `jwtVerify` of ES256 a request. */
await serveApplication<JwtSettings>(async (app, { publicJwk, issuer }) => {
  const key = await importJWK(publicJwk, 'ES256')
  app.addHook('onRequest', async (request) => {
    const token = request.headers.authorization?.slice('Bearer '.length) ?? ''
    await jwtVerify(token, key, { algorithms: ['ES256'], issuer, audience: issuer })
  })
})
