import { execFile } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const NODE_MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url))

/**
 * Makes the data directory of an embedded database: a copy of the one that installing left, or by initdb, which takes
 * seconds. A directory that is there is whole.
 * @param prepared where to look for that one
 */
export async function makeCluster(data: string, prepared = preparedCluster()): Promise<void> {
  await makeWhole(data, async (draft) => {
    if (existsSync(prepared)) cpSync(prepared, draft, { recursive: true })
    else await initialize(draft)
  })
}

/**
 * Leaves a cluster for {@link makeCluster}, with nothing in it; does nothing where there is one. PGlite lets everybody
 * write its files, so it is in a directory that only its owner may enter; another user makes a cluster anew.
 */
export async function prepareCluster(prepared = preparedCluster()): Promise<void> {
  mkdirSync(dirname(prepared), { recursive: true })
  chmodSync(dirname(prepared), 0o700)
  if (!existsSync(prepared)) await makeWhole(prepared, initialize)
}

/** The version of PGlite; another may not open what it makes. */
export function pgliteVersion(): string {
  return JSON.parse(readFileSync(`${NODE_MODULES}/@electric-sql/pglite/package.json`, 'utf8')).version
}

function preparedCluster(): string {
  return `${NODE_MODULES}/.cache/gatehouse/postgres-${pgliteVersion()}`
}

async function makeWhole(data: string, make: (draft: string) => Promise<void>): Promise<void> {
  const draft = `${data}.${process.pid}`
  rmSync(draft, { recursive: true, force: true })
  await make(draft)
  renameSync(draft, data)
}

/** In a process of its own: what initdb takes, half a gigabyte, is given back when it ends. */
async function initialize(data: string): Promise<void> {
  const script = fileURLToPath(new URL('./embedded-init.ts', import.meta.url))
  await promisify(execFile)(process.execPath, ['--liftoff-only', script, data])
}
