import { constants, lstatSync, mkdirSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digest } from '../secrets/opaque-token.ts'

/** sockaddr_un holds 108 bytes, some systems 104. */
const SOCKET_PATH_MAX = 100

/**
 * Where the embedded database of a data directory listens while a process has it open. Where the path of the data
 * directory is too long, that is in a directory for temporary files: anybody can make one there, so it must be ours.
 * @throws when that directory is another's, or open to others
 */
export function embeddedSocket(dataDir: string): string {
  const path = join(dataDir, '.s.PGSQL.5432')
  if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return path
  const directory = join(tmpdir(), `gatehouse-${digest(dataDir).slice(0, 16)}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { uid, mode } = lstatSync(directory)
  if (uid !== process.getuid?.() || (mode & (constants.S_IFMT | 0o777)) !== (constants.S_IFDIR | 0o700)) {
    throw new Error(`${directory} must be a directory of this user with mode 0700; remove it, or shorten DATA_DIR`)
  }
  return join(directory, '.s.PGSQL.5432')
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
