import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Answer, Order, Usage } from './serve.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const STOPPING_MS = 8_000

/** A server in a process of its own. */
export interface ServerProcess {
  readonly url: string
  readonly pid: number
  /** What it has used since it started. */
  usage(): Promise<Usage>
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()
const profiling: string[] = []

/** Has every server that is started from now on write a CPU profile into a directory when it ends. */
export function profileInto(directory: string): void {
  profiling.push('--cpu-prof', `--cpu-prof-dir=${resolve(directory)}`)
}

/**
 * Forks a script of the benchmark. It inherits no variable but those that every program needs, so that no
 * setting of the operator's reaches it.
 */
export function startScript(
  script: string,
  { env = {}, flags = [] }: { env?: Readonly<Record<string, string>>; flags?: readonly string[] } = {},
): ChildProcess {
  const { PATH = '', HOME = '', TMPDIR } = process.env
  const child = fork(fileURLToPath(new URL(`../${script}`, import.meta.url)), {
    cwd: ROOT,
    execArgv: [...flags],
    env: { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }), ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Starts a server script with its settings, as `npm start` runs Node, and waits until it listens. */
export async function startServer(
  script: string,
  settings: unknown,
  env: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Promise<ServerProcess> {
  const child = startScript(script, { env, flags: [...startFlags(), ...flags, ...profiling] })
  child.send({ settings } satisfies Order)
  const { url } = await ask<{ url: string }>(child, script)
  return {
    url,
    pid: child.pid ?? 0,
    async usage() {
      child.send('usage' satisfies Order)
      return (await ask<{ usage: Usage }>(child, script)).usage
    },
    stop: () => stopScript(child),
  }
}

/** The next message of a child; fails when it fails or ends instead. */
export async function ask<T>(child: ChildProcess, script: string): Promise<T> {
  const gone = new AbortController()
  const ended = once(child, 'exit', gone).then(([code, signal]) => {
    throw new Error(`${script} ended: ${signal ?? code}`)
  })
  try {
    const [answer] = (await Promise.race([once(child, 'message', gone), ended])) as [T & Answer]
    if ('failure' in answer) throw new Error(`${script}: ${answer.failure}`)
    return answer
  } finally {
    gone.abort()
    ended.catch(() => {})
  }
}

/** Ends a child: asks, then kills. */
export async function stopScript(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  if (child.connected) child.send('stop' satisfies Order)
  else child.kill()
  const impatient = setTimeout(() => child.kill('SIGKILL'), STOPPING_MS)
  await ended
  clearTimeout(impatient)
}

/** Ends every child that still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(stopScript))
}

/** The flags with which `npm start` runs Node. */
function startFlags(): string[] {
  const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { scripts: { start: string } }
  const words = scripts.start.split(' ')
  return words.slice(words.indexOf('node') + 1, -1).filter((word) => !word.startsWith('--env-file'))
}
