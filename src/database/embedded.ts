import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import type { Address } from './client.ts'
import { makeCluster } from './embedded-cluster.ts'
import { takeLock } from './embedded-lock.ts'
import { openPGlite } from './embedded-open.ts'
import { embeddedSocket, isListening } from './embedded-socket.ts'

const PATIENCE_MS = 8_000

export interface EmbeddedDatabase {
  readonly address: Address
  close(): Promise<void>
}

/**
 * Opens the PostgreSQL embedded in `dataDir` (PGlite), making it on first use, behind a Unix socket
 * in a directory of mode 0700, so that the command line reaches it while the server runs.
 * @throws when another process has it open
 */
export async function startEmbedded(dataDir: string): Promise<EmbeddedDatabase> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const socket = embeddedSocket(dataDir)
  const lock = await takeLock(join(dataDir, 'lock'), () => isListening(socket), PATIENCE_MS)
  try {
    const data = join(dataDir, 'postgres')
    if (!existsSync(join(data, 'PG_VERSION'))) await makeCluster(data)
    chmodSync(data, 0o700)
    const pglite = await openPGlite(data)
    rmSync(socket, { force: true })
    const server = new PGLiteSocketServer({ db: pglite, path: socket, maxConnections: 20 })
    await server.start()
    return {
      address: { socket },
      async close() {
        await server.stop()
        await pglite.close()
        rmSync(socket, { force: true })
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}
