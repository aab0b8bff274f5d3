import { compare } from 'bcrypt'
import { InvalidCredential } from '../../src/errors.ts'
import { type RivalSettings, serveApplication } from './application.ts'

export interface ScanSettings extends RivalSettings {
  /** The bcrypt hashes of the keys, of which one after another is tried. */
  readonly hashes: readonly string[]
}

/** API keys as many tutorials keep them: one bcrypt hash each, compared until one fits. */
await serveApplication<ScanSettings>(async (app, { hashes }) => {
  app.addHook('onRequest', async (request) => {
    const key = String(request.headers['x-api-key'])
    for (const hash of hashes) if (await compare(key, hash)) return
    throw new InvalidCredential('no such key')
  })
})
