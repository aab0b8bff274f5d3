import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The sealing keys kept in the data directory, made on first use (directory 0700, file 0600).
 * Two processes that start at once get the same keys: the file appears whole or not at all.
 */
export function loadOrMakeKeyFile(dataDir: string): Uint8Array[] {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const path = join(dataDir, 'secret-keys')
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    writeFileSync(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
    linkSync(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft, { force: true })
  }
  const keys = readFileSync(path, 'utf8')
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((key) => Buffer.from(key, 'base64url'))
  if (keys.length === 0 || keys.some(({ length }) => length !== 32)) {
    throw new Error(`${path} must hold base64url keys of 32 bytes`)
  }
  return keys
}
