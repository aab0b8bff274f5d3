import { type Connection, failure } from './connection.ts'

/** Half an hour to an hour, so that not all connections are replaced at once. */
const lifetimeMs = () => (30 + 30 * Math.random()) * 60_000

/**
 * How many look-ups go over one connection before another is used. What one turn of the event loop sends over
 * one connection leaves in one packet: with 16 look-ups under way that cost 36 us of CPU each, where one a
 * connection cost 64 (2 cores, PostgreSQL beside it).
 */
const SHARED = 8

/** Connections that are opened when they are needed, and left out once they are lost. */
export interface Pool {
  /** Has a look-up sent over a connection that others may use at the same time, one query behind another. */
  share<T>(use: (connection: Connection) => Promise<T>): Promise<T>
  /** Has what may wait for a lock, as a transaction may, run over a connection that nobody else uses meanwhile. */
  reserve<T>(use: (connection: Connection) => Promise<T>): Promise<T>
  /** Ends all connections after the queries under way; a transaction under way is undone. */
  close(): Promise<void>
}

interface Waiting {
  readonly shared: number
  start(connection: Connection): void
  refuse(error: Error): void
}

/**
 * @param max how many connections
 * @param waitMs how long one may wait for a connection while all are reserved; for ever when left out
 */
export function createPool(
  open: () => Connection,
  { max, waitMs }: { max: number; waitMs?: number | undefined },
): Pool {
  const connections = new Map<Connection, { readonly until: number }>()
  const reserved = new Set<Connection>()
  const queue = new Set<Waiting>()
  let closed: Promise<void> | undefined

  /**
   * One with less to do than `shared`, else a new one, else the one with the least to do; nothing when all are
   * reserved. Look-ups keep to the first, so that the last are idle for who needs one alone.
   */
  const choose = (shared: number): Connection | undefined => {
    let least: Connection | undefined
    for (const [connection, { until }] of connections) {
      if (reserved.has(connection)) continue
      const isOld = connection.load === 0 && performance.now() > until
      if (connection.isLost || isOld) {
        connections.delete(connection)
        if (isOld) void connection.close()
      } else if (shared > 1 && connection.load < shared) return connection
      else if (least === undefined || connection.load <= least.load) least = connection
    }
    if (least?.load === 0 || connections.size >= max) return least
    const opened = open()
    connections.set(opened, { until: opened.openedAt + lifetimeMs() })
    return opened
  }

  /** Used at once when there is one, so that the next who chooses sees its load. */
  const start = <T>(shared: number, use: (connection: Connection) => Promise<T>): Promise<T> => {
    if (closed !== undefined) return Promise.reject(failure('CONNECTION_ENDED', 'the pool is closed'))
    const chosen = choose(shared)
    return chosen === undefined ? wait(shared, use) : use(chosen)
  }

  const wait = <T>(shared: number, use: (connection: Connection) => Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      const tooLong = () => waiting.refuse(failure('ETIMEDOUT', 'no connection to the database became free'))
      const timer = waitMs === undefined ? undefined : setTimeout(tooLong, waitMs)
      const leave = () => {
        clearTimeout(timer)
        queue.delete(waiting)
      }
      const waiting: Waiting = {
        shared,
        start(connection) {
          leave()
          resolve(use(connection))
        },
        refuse(error) {
          leave()
          reject(error)
        },
      }
      queue.add(waiting)
    })

  const release = (connection: Connection) => {
    reserved.delete(connection)
    if (connection.isLost) connections.delete(connection)
    for (const waiting of queue) {
      const chosen = choose(waiting.shared)
      if (chosen === undefined) return
      waiting.start(chosen)
    }
  }

  return {
    share: (use) => start(SHARED, use),
    reserve: (use) =>
      start(1, async (connection) => {
        reserved.add(connection)
        try {
          return await use(connection)
        } finally {
          release(connection)
        }
      }),
    close() {
      closed ??= Promise.all([...connections.keys()].map((connection) => connection.close())).then(() => {})
      for (const waiting of queue) waiting.refuse(failure('CONNECTION_ENDED', 'the pool is closed'))
      return closed
    },
  }
}
