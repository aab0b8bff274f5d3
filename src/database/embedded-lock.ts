import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
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
    if (!(await isAnswering()) && isStale(path)) {
      rmSync(path, { force: true })
    } else if (Date.now() > deadline) {
      throw new Error(
        `another process has the embedded database open (${path}); stop it, or give this one another DATA_DIR`,
      )
    } else {
      await delay(100)
    }
  }
}

function isStale(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    if (pid === process.pid || Date.now() - statSync(path).mtimeMs > STARTING_MS) return true
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPERM'
  }
}
