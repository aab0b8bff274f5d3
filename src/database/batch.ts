import { isDatabaseUnavailable } from './unavailable.ts'

/** Writes rows of many requests together, as PostgreSQL itself commits many transactions with one flush. */
export interface Batch<Row> {
  /**
   * Adds a row; it is written when this returns.
   * @throws what its writing threw
   */
  write(row: Row): Promise<void>
}

const MOST = 500

interface Waiting<Row> {
  readonly row: Row
  readonly written: PromiseWithResolvers<void>
}

/**
 * What comes while one batch is being written makes the next one: alone a row waits for nobody, and under
 * load a hundred cost little more than one.
 * @param writeAll writes rows by one statement, all or none
 */
export function createBatch<Row>(writeAll: (rows: readonly Row[]) => Promise<void>): Batch<Row> {
  let waiting: Waiting<Row>[] = []
  let writing = false

  const writeWaiting = async () => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MOST)
      waiting = waiting.slice(MOST)
      await writeTogether(batch)
    }
    writing = false
  }

  /**
   * A row that the database does not take must not take others with it, so then each goes by itself; one after
   * another to a database that does not answer they would wait for minutes.
   */
  const writeTogether = async (batch: readonly Waiting<Row>[]): Promise<void> => {
    try {
      await writeAll(batch.map(({ row }) => row))
      for (const { written } of batch) written.resolve()
    } catch (error) {
      if (batch.length > 1 && !isDatabaseUnavailable(error)) for (const one of batch) await writeTogether([one])
      else for (const { written } of batch) written.reject(error)
    }
  }

  return {
    write(row) {
      const written = Promise.withResolvers<void>()
      waiting.push({ row, written })
      if (!writing) {
        writing = true
        setImmediate(writeWaiting)
      }
      return written.promise
    },
  }
}
