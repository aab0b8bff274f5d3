import { AsyncLocalStorage } from 'node:async_hooks'
import type { Database } from '../database/client.ts'

/** How a request ended: answered, refused to whoever asked, or failed by a fault of ours. */
export type Outcome = 'done' | 'refused' | 'failed'

interface Unit {
  readonly arrivedAt: Date | undefined
  readonly isToStand: PromiseWithResolvers<boolean>
  keeps: boolean
  transaction?: Database
  begun?: Promise<void>
  done?: Promise<void>
}

/** What one request to the engine writes, as one transaction from the first thing it consumes or ends. */
export interface UnitOfWork {
  /** Where to write what is no part of a request's transaction. */
  readonly pool: Database
  /** Where to read and write now: the transaction once it has begun, else the pool. */
  readonly db: Database
  /** When the token request under way arrived; undefined outside of one. */
  readonly arrivedAt: Date | undefined
  /** Begins the transaction, once; does nothing outside of {@link UnitOfWork.run}. */
  begin(): Promise<void>
  /** Has what is written stand though the request is refused, as the end of a grant does after a replay. */
  keep(): void
  /**
   * Runs a request. What it wrote is committed before this returns when it is done, or refused and kept; else undone.
   * @returns whether what it wrote stands; true when that is nothing
   * @throws what `work` throws, or the commit
   */
  run(work: () => Promise<Outcome>, arrivedAt?: Date): Promise<boolean>
  /** Runs writes that stand or fall together: in the transaction of the request under way, else in one of their own. */
  atOnce<T>(work: () => Promise<T>): Promise<T>
}

class Undone extends Error {}

/** The engine takes no transaction as an argument, so it is carried through the asynchronous context. */
export function createUnitOfWork(pool: Database): UnitOfWork {
  const storage = new AsyncLocalStorage<Unit>()

  const open = async (unit: Unit) => {
    const begun = Promise.withResolvers<void>()
    unit.done = pool.transaction(async (transaction) => {
      unit.transaction = transaction
      begun.resolve()
      if (!(await unit.isToStand.promise)) throw new Undone()
    })
    unit.done.catch(begun.reject)
    await begun.promise
  }

  const begin = async () => {
    const unit = storage.getStore()
    if (unit === undefined) return
    unit.begun ??= open(unit)
    await unit.begun
  }

  /** Whether it was committed, when it had begun. */
  const settle = async (unit: Unit, isToStand: boolean): Promise<boolean> => {
    unit.isToStand.resolve(isToStand)
    await unit.done?.catch((error: unknown) => {
      if (!(error instanceof Undone)) throw error
    })
    return isToStand || unit.done === undefined
  }

  const run: UnitOfWork['run'] = (work, arrivedAt) => {
    const unit: Unit = { arrivedAt, isToStand: Promise.withResolvers(), keeps: false }
    return storage.run(unit, async () => {
      try {
        const outcome = await work()
        return await settle(unit, outcome === 'done' || (outcome === 'refused' && unit.keeps))
      } catch (error) {
        await settle(unit, false)
        throw error
      }
    })
  }

  return {
    pool,

    get db() {
      return storage.getStore()?.transaction ?? pool
    },

    get arrivedAt() {
      return storage.getStore()?.arrivedAt
    },

    begin,

    keep() {
      const unit = storage.getStore()
      if (unit !== undefined) unit.keeps = true
    },

    run,

    async atOnce<T>(work: () => Promise<T>): Promise<T> {
      if (storage.getStore() !== undefined) {
        await begin()
        return work()
      }
      const result: { value?: T } = {}
      await run(async () => {
        await begin()
        result.value = await work()
        return 'done'
      })
      return result.value as T
    },
  }
}
