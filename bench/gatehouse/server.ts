import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { openStorage } from '../../src/database/storage.ts'
import { ME } from '../../src/protected-resource/routes.ts'
import { loadOrMakeKeyFile } from '../../src/secrets/key-file.ts'
import { serve } from '../processes/serve.ts'
import { countStatements } from './statements.ts'
import { API_SCOPE, BARE_PATH } from './world.ts'

/** What `GET /api/me` answers, as long as it is for anyone. */
const ANSWER = {
  subject: { kind: 'account', id: '00000000-0000-4000-8000-000000000000' },
  credential: { kind: 'api_key', id: '00000000-0000-4000-8000-000000000000' },
  scopes: API_SCOPE,
  role: 'USER',
  email: 'person-0@example.com',
  name: 'Ada Example',
}

/**
 * Gatehouse as `src/server.ts` starts it, with its statements counted, and with the same route once
 * more without a credential.
 */
await serve(async () => {
  const config = loadConfig(process.env)
  const secretKeys = config.secretKeys ?? loadOrMakeKeyFile(config.dataDir)
  const storage = await openStorage(config)
  const statements = countStatements(storage.db)
  const app = await createApp({ config, storage, secretKeys })
  app.get(BARE_PATH, { schema: ME }, () => ({ ...ANSWER, scopes: [...ANSWER.scopes] }))
  await app.listen({ host: config.host, port: config.port })
  return {
    url: `http://${config.host}:${config.port}`,
    statements,
    async close() {
      app.server.closeAllConnections()
      await app.close()
      await storage.close()
    },
  }
})
