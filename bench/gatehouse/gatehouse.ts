import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type Database, openDatabase } from '../../src/database/client.ts'
import { embeddedSocket } from '../../src/database/embedded-socket.ts'
import { createKeyRing, type KeyRing } from '../../src/keys/key-ring.ts'
import { loadSigningKeys, type SigningKey } from '../../src/keys/signing-keys.ts'
import { createSealer } from '../../src/secrets/sealed.ts'
import { type ServerProcess, startServer } from '../processes/processes.ts'
import type { Place } from './place.ts'

/** A Gatehouse under measurement, with its database and its keys open to the benchmark too. */
export interface Gatehouse {
  readonly process: ServerProcess
  /** Where it listens, which is its issuer identifier too. */
  readonly url: string
  readonly db: Database
  readonly signingKeys: readonly SigningKey[]
  readonly keys: KeyRing
  /** The variables with which it was started, and with which commands and a second process start. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/**
 * Starts a server on a free port of the loopback interface.
 * @param flags of Node, besides those of `npm start`
 */
export async function startGatehouse(place: Place, flags: readonly string[] = []): Promise<Gatehouse> {
  const secret = randomBytes(32)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const env = {
    ...place.env,
    SECRET_KEYS: secret.toString('base64url'),
    ISSUER: url,
    HOST: '127.0.0.1',
    PORT: String(port),
    LOG_LEVEL: 'silent',
  }
  const process = await startServer('gatehouse/server.ts', undefined, env, flags)
  const address = place.url === undefined ? { socket: embeddedSocket(place.dataDir) } : { url: place.url }
  const { db, close } = openDatabase(address, { max: 2, patient: true })
  const signingKeys = await loadSigningKeys(db, createSealer([secret]))
  return {
    process,
    url,
    db,
    signingKeys,
    keys: createKeyRing(signingKeys),
    env,
    async stop() {
      await close()
      await process.stop()
    },
  }
}

/** Starts a second process on the same database. */
export async function startBeside({ env }: Gatehouse): Promise<ServerProcess> {
  return startServer('gatehouse/server.ts', undefined, { ...env, PORT: String(await freePort()) })
}

/** A port of the loopback interface that nothing listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
