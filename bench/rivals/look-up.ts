import postgres from 'postgres'
import { InvalidCredential } from '../../src/errors.ts'
import { digest } from '../../src/secrets/opaque-token.ts'
import { type RivalSettings, serveApplication } from './application.ts'

export interface LookUpSettings extends RivalSettings {
  readonly databaseUrl: string
}

/** One prepared look-up by postgres.js a request, in Gatehouse's own table. */
await serveApplication<LookUpSettings>(async (app, { databaseUrl }) => {
  const sql = postgres(databaseUrl, { max: 10 })
  app.addHook('onRequest', async (request) => {
    const key = Buffer.from(digest(String(request.headers['x-api-key'])), 'base64url')
    const [row] = await sql`
      select id, account_id, scope, expires_at from api_keys
      where digest = ${key} and revoked_at is null and expires_at > now()`
    if (row === undefined) throw new InvalidCredential('no such key')
  })
  app.addHook('onClose', () => sql.end({ timeout: 1 }))
})
