import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digest } from '../secrets/opaque-token.ts'

/** sockaddr_un holds 108 bytes, some systems 104. */
const SOCKET_PATH_MAX = 100

/** Where the embedded database of a data directory listens while a process has it open. */
export function embeddedSocket(dataDir: string): string {
  const path = join(dataDir, '.s.PGSQL.5432')
  if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return path
  return join(tmpdir(), `gatehouse-${digest(dataDir).slice(0, 16)}`, '.s.PGSQL.5432')
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
