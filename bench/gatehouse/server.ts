import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { openStorage } from '../../src/database/storage.ts'
import { loadOrMakeKeyFile } from '../../src/secrets/key-file.ts'
import { serve } from '../processes/serve.ts'
import { countStatements } from './statements.ts'

/** Gatehouse as `src/server.ts` starts it, with its statements counted. */
await serve(async () => {
  const config = loadConfig(process.env)
  const secretKeys = config.secretKeys ?? loadOrMakeKeyFile(config.dataDir)
  const storage = await openStorage(config)
  const statements = countStatements(storage.db)
  const app = await createApp({ config, storage, secretKeys })
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
