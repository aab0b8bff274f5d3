import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a command of the operator's beside the server and returns the object it prints. */
export async function command<T>(env: Readonly<Record<string, string>>, ...words: string[]): Promise<T> {
  const args = ['--liftoff-only', '--import', './src/imports.ts', 'src/cli.ts', ...words, '--json']
  const { PATH = '', HOME = '' } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env: { PATH, HOME, ...env } })
  return JSON.parse(stdout) as T
}
