import { mkdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** How long a process may take from taking the lock to answering on its socket. */
const STARTING_MS = 20_000

/**
 * Takes the lock file of the embedded database, which only one process may have open.
 * A lock is stale when nobody answers on the socket and its process is gone or has had its time.
 * @param isAnswering whether a process answers on the socket
 * @param patienceMs how long to wait for another process to let go
 * @throws when it is still held after that
 */
export async function takeLock(
  path: string,
  isAnswering: () => Promise<boolean>,
  patienceMs: number,
): Promise<{ release(): void }> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 })
      return { release: () => rmSync(path, { force: true }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (!(await isAnswering()) && removeStale(path)) continue
    if (Date.now() > deadline) {
      throw new Error(
        `another process has the embedded database open (${path}); stop it, or give this one another DATA_DIR`,
      )
    }
    await delay(100)
  }
}

/**
 * Removes the lock if it is stale. One process at a time, which making a directory decides: else the
 * second that found it stale might remove the lock that the first has taken since.
 */
function removeStale(path: string): boolean {
  const turn = `${path}.stale`
  try {
    mkdirSync(turn)
  } catch {
    if (isOld(turn)) rmdirSync(turn)
    return false
  }
  const stale = isStale(path)
  if (stale) rmSync(path, { force: true })
  rmdirSync(turn)
  return stale
}

function isStale(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    if (pid === process.pid || isOld(path)) return true
    process.kill(pid, 0)
    return false
  } catch (error) {
    return !['EPERM', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}

function isOld(path: string): boolean {
  return Date.now() - statSync(path).mtimeMs > STARTING_MS
}
