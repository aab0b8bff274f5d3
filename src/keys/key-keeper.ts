import type { Database } from '../database/client.ts'
import type { LiveChanges } from '../database/live-changes.ts'
import type { Sealer } from '../secrets/sealed.ts'
import type { KeyRing } from './key-ring.ts'
import { followSchedule } from './rotation.ts'
import type { KeySchedule } from './schedule.ts'
import { loadSigningKeys } from './signing-keys.ts'

export interface KeyKeeperDependencies {
  readonly db: Database
  readonly sealer: Sealer
  readonly keys: KeyRing
  readonly schedule: KeySchedule
  readonly changes: LiveChanges
  readonly onError: (error: unknown) => void
}

/** Keeps the keys of this process as they are in the database, and those in the database as the schedule has them. */
export interface KeyKeeper {
  /** Ends after what is under way. */
  close(): Promise<void>
}

/** In every server process; whichever comes first does what is due. */
export function createKeyKeeper({ db, sealer, keys, schedule, changes, onError }: KeyKeeperDependencies): KeyKeeper {
  let work = Promise.resolve()
  /** One after another, so that no older answer is put in force after a newer one. */
  const enqueue = (task: () => Promise<unknown>) => {
    work = work.then(task).then(undefined, onError)
    return work
  }
  const look = async () => keys.replace(await loadSigningKeys(db, sealer))

  changes.tell({
    forget: (tag) => void (tag.startsWith('keys ') && enqueue(look)),
    forgetAll: () => void enqueue(look),
  })
  let ticking = false
  const tick = async () => {
    if (ticking) return
    ticking = true
    await enqueue(() => followSchedule(db, sealer, schedule, new Date()))
    await enqueue(look)
    ticking = false
  }
  const timer = setInterval(tick, schedule.tickMs).unref()
  void tick()

  return {
    async close() {
      clearInterval(timer)
      await work
    },
  }
}
