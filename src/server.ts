import closeWithGrace from 'close-with-grace'
import { createApp } from './app.ts'
import { ConfigError, loadConfig } from './config.ts'
import { openStorage } from './database/storage.ts'
import { loadOrMakeKeyFile } from './secrets/key-file.ts'
import { offerFirstAdministrator } from './setup/first-administrator.ts'

try {
  const config = loadConfig(process.env)
  const secretKeys = config.secretKeys ?? loadOrMakeKeyFile(config.dataDir)
  const storage = await openStorage(config)
  const app = await createApp({ config, db: storage.db, secretKeys })
  closeWithGrace({ delay: 10_000 }, async ({ err }) => {
    if (err) app.log.fatal({ err }, 'stopping after an error')
    await app.close()
    await storage.close()
  })
  await app.listen({ host: config.host, port: config.port })

  process.stdout.write(`\nGatehouse is at ${config.issuer}\n`)
  if (config.databaseUrl === undefined) {
    const token = await offerFirstAdministrator(storage.db, new Date())
    if (token !== undefined) {
      process.stdout.write(
        `Make the first administrator, within a day: ${config.issuer}/setup?token=${token}\n` +
          'or: npm run --silent cli -- accounts create --role admin --email you@example.com --password-stdin\n\n',
      )
    }
  }
} catch (error) {
  process.stderr.write(`${error instanceof ConfigError ? error.message : describe(error)}\n`)
  process.exit(1)
}

function describe(error: unknown): string {
  return `Gatehouse cannot start: ${error instanceof Error ? error.message : String(error)}`
}
