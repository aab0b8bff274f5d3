/** There is more work than can be done soon. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded'
  /** Seconds after which a new try makes sense. */
  readonly retryAfter = 2
}

/** Does so much work at once, and lets so much wait, not for long. */
export interface WorkQueue {
  /** @throws {Overloaded} when too many wait, or this one would have to wait too long */
  run<T>(work: () => Promise<T>): Promise<T>
  /** @throws {Overloaded} when there is no room for more at this moment */
  requireRoom(): void
}

export interface WorkQueueOptions {
  readonly atOnce: number
  readonly waiting: number
  readonly waitMs: number
}

/** Work waits in the order in which it came. */
export function createWorkQueue({ atOnce, waiting, waitMs }: WorkQueueOptions): WorkQueue {
  const queue = new Set<() => void>()
  let running = 0

  const wait = () =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        queue.delete(start)
        reject(new Overloaded('waited too long'))
      }, waitMs)
      const start = () => {
        clearTimeout(timer)
        queue.delete(start)
        resolve()
      }
      queue.add(start)
    })

  const requireRoom = () => {
    if (running >= atOnce && queue.size >= waiting) throw new Overloaded('too many wait')
  }

  return {
    requireRoom,
    async run(work) {
      requireRoom()
      if (running < atOnce) running += 1
      else await wait()
      try {
        return await work()
      } finally {
        const [next] = queue
        if (next === undefined) running -= 1
        else next()
      }
    },
  }
}
