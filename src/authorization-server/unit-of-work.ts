import { AsyncLocalStorage } from 'node:async_hooks'
import type { Database } from '../database/client.ts'

interface Unit {
  readonly arrivedAt: Date
  readonly outcome: PromiseWithResolvers<boolean>
  transaction?: Database
  done?: Promise<void>
}

/** What one request to the engine writes, as one transaction from the first thing it consumes. */
export interface UnitOfWork {
  /** Where to write what is no part of a request's transaction. */
  readonly pool: Database
  /** Where to read and write now: the transaction once it has begun, else the pool. */
  readonly db: Database
  /** When the request under way arrived; undefined outside of one. */
  readonly arrivedAt: Date | undefined
  /** Begins the transaction, once; does nothing outside of {@link UnitOfWork.run}. */
  begin(): Promise<void>
  /**
   * Runs a request. When `work` answers true, what it wrote is committed before this returns; else undone.
   * @throws what `work` throws, or the commit
   */
  run(arrivedAt: Date, work: () => Promise<boolean>): Promise<void>
}

class Undone extends Error {}

/** The engine takes no transaction as an argument, so it is carried through the asynchronous context. */
export function createUnitOfWork(pool: Database): UnitOfWork {
  const storage = new AsyncLocalStorage<Unit>()

  return {
    pool,

    get db() {
      return storage.getStore()?.transaction ?? pool
    },

    get arrivedAt() {
      return storage.getStore()?.arrivedAt
    },

    async begin() {
      const unit = storage.getStore()
      if (unit === undefined || unit.done !== undefined) return
      const begun = Promise.withResolvers<void>()
      unit.done = pool.transaction(async (transaction) => {
        unit.transaction = transaction
        begun.resolve()
        if (!(await unit.outcome.promise)) throw new Undone()
      })
      unit.done.catch(begun.reject)
      await begun.promise
    },

    async run(arrivedAt, work) {
      const unit: Unit = { arrivedAt, outcome: Promise.withResolvers() }
      await storage.run(unit, async () => {
        try {
          unit.outcome.resolve(await work())
        } catch (error) {
          unit.outcome.resolve(false)
          throw error
        } finally {
          await unit.done?.catch((error: unknown) => {
            if (!(error instanceof Undone)) throw error
          })
        }
      })
    },
  }
}
