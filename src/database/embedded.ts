import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import { digest } from '../secrets/opaque-token.ts'
import type { Address } from './client.ts'
import { takeLock } from './embedded-lock.ts'
import { openPGlite } from './embedded-open.ts'

/** sockaddr_un holds 108 bytes, some systems 104. */
const SOCKET_PATH_MAX = 100
const PATIENCE_MS = 8_000

export interface EmbeddedDatabase {
  readonly address: Address
  close(): Promise<void>
}

/** Where the embedded database of a data directory listens while a process has it open. */
export function embeddedSocket(dataDir: string): string {
  const path = join(dataDir, '.s.PGSQL.5432')
  if (path.length <= SOCKET_PATH_MAX) return path
  return join(tmpdir(), `gatehouse-${digest(dataDir).slice(0, 16)}`, '.s.PGSQL.5432')
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
    const pglite = await openPGlite(data)
    mkdirSync(dirname(socket), { recursive: true, mode: 0o700 })
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

/** Whether a process answers on the socket. */
export function isListening(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(socket)
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', () => resolve(false))
  })
}

/** Made in a process of its own: what initdb takes, half a gigabyte, is given back when it ends. */
async function makeCluster(data: string): Promise<void> {
  const draft = `${data}.${process.pid}`
  rmSync(draft, { recursive: true, force: true })
  const script = fileURLToPath(new URL('./embedded-init.ts', import.meta.url))
  await promisify(execFile)(process.execPath, [script, draft])
  renameSync(draft, data)
}
