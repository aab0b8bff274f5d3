import { once } from 'node:events'

/** What a process has used since it started. */
export interface Usage {
  /** Seconds of processor time, of all its threads, in user and system mode. */
  readonly cpuSeconds: number
  /** Resident memory in bytes. */
  readonly rss: number
  /** Statements sent to a database; zero where there is none. */
  readonly statements: Statements
}

/** Statements as they were sent, those that begin and end a transaction apart. */
export interface Statements {
  readonly queries: number
  /** Those of the queries that insert, update or delete. */
  readonly writes: number
  readonly transactions: number
}

/** A server that listens. */
export interface Serving {
  readonly url: string
  readonly statements?: () => Statements
  close(): Promise<void>
}

/** What the runner asks of a process it started. */
export type Order = { readonly settings: unknown } | 'usage' | 'stop'

/** What such a process answers. */
export type Answer = { readonly url: string } | { readonly usage: Usage } | { readonly failure: string }

const NONE: Statements = { queries: 0, writes: 0, transactions: 0 }

/**
 * Runs a server for the runner, which started this process: takes the settings it sends, says where
 * the server listens, tells what it has used, and ends when told to or when the runner is gone.
 */
export async function serve<Settings>(start: (settings: Settings) => Promise<Serving>): Promise<void> {
  process.on('SIGINT', () => {})
  const answer = (message: Answer) => process.send?.(message)
  const [{ settings }] = (await once(process, 'message')) as [{ settings: Settings }]
  try {
    const serving = await start(settings)
    const end = () => void serving.close().finally(() => process.exit())
    process.once('disconnect', end)
    process.once('SIGTERM', end)
    process.on('message', (order: Order) => {
      if (order === 'usage') answer({ usage: usageOf(serving) })
      if (order === 'stop') end()
    })
    answer({ url: serving.url })
  } catch (error) {
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.send?.({ failure } satisfies Answer, () => process.exit(1))
  }
}

function usageOf({ statements }: Serving): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuSeconds: (user + system) / 1e6, rss: process.memoryUsage.rss(), statements: statements?.() ?? NONE }
}
