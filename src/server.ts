import closeWithGrace from 'close-with-grace'
import { ConfigError, loadConfig, readEnvFile } from './config.ts'
import { openStorage, type Storage } from './database/storage.ts'
import { operatorMessage } from './http/logger.ts'
import { loadOrMakeKeyFile } from './secrets/key-file.ts'

let storage: Storage | undefined
try {
  readEnvFile()
  const config = loadConfig(process.env)
  const secretKeys = config.secretKeys ?? loadOrMakeKeyFile(config.dataDir)
  // A new embedded database takes seconds to make; the rest of the program loads meanwhile.
  const [opened, { createApp }, { offerFirstAdministrator }] = await Promise.all([
    openStorage(config),
    import('./app.ts'),
    import('./setup/first-administrator.ts'),
  ])
  storage = opened
  const app = await createApp({ config, storage: opened, secretKeys })
  closeWithGrace({ delay: 10_000 }, async ({ err }) => {
    if (err) app.log.fatal({ err }, 'stopping after an error')
    await app.close()
    await opened.close()
  })
  await app.listen({ host: config.host, port: config.port }).catch(async (error: unknown) => {
    await app.close()
    throw error
  })
  freeMemory()

  process.stdout.write(`\nGatehouse is at ${config.issuer}\n`)
  const token = config.databaseUrl === undefined ? await offerFirstAdministrator(opened.db, new Date()) : undefined
  if (token !== undefined) {
    process.stdout.write(
      `Make the first administrator, within a day: ${config.issuer}/setup?token=${token}\n` +
        'or: npm run --silent cli -- accounts create --role admin --email you@example.com --password-stdin\n\n',
    )
  }
} catch (error) {
  const message = operatorMessage(error)
  process.stderr.write(error instanceof ConfigError ? `${message}\n` : `Gatehouse cannot start: ${message}\n`)
  await storage?.close()
  process.exit(1)
}

/** Gives back what loading and migrating left behind: a fifth of the memory at rest. */
function freeMemory(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
