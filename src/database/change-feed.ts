import { randomUUID } from 'node:crypto'
import type { ChangeCarrier } from './change-carrier.ts'
import { recentChanges, type Tag } from './changes.ts'
import type { Database } from './client.ts'

/** How often a process makes sure that it still hears. */
const BEAT_MS = 300
/** When the last of its own beats that it heard was sent this long ago, a process is deaf and does not trust its memory. */
const DEAF_AFTER_MS = 900
const RETRY_MS = 500
const POLL_MS = 400

/** What a feed tells. */
export interface FeedHandlers {
  /** A change was committed, here or elsewhere. */
  onChange(tag: Tag, at: Date): void
  /** Changes may have been missed before; those that matter still come next. */
  onGap(): void
  onError(error: unknown): void
}

/** Committed changes, as they happen. */
export interface ChangeFeed {
  /** Whether all changes older than a second have been told. */
  isCurrent(): boolean
  close(): Promise<void>
}

/**
 * A feed by messages. Whoever is connected anew reads in the table what it may have missed; whoever
 * does not hear its own beat any more knows that it is deaf.
 */
export function hearChanges(carrier: ChangeCarrier, db: Database, handlers: FeedHandlers): ChangeFeed {
  const beatOf = `${randomUUID()}:`
  let beatenAt = Number.NEGATIVE_INFINITY
  let connections = 0
  let caughtUp = 0
  let catchingUp: Promise<void> | undefined

  const hear = (message: string) => {
    // What was told before the beat was sent has come before it, however long it took.
    if (message.startsWith(beatOf)) beatenAt = Number(message.slice(beatOf.length))
    for (const tag of message.split('\n')) if (tag.includes(' ')) handlers.onChange(tag as Tag, new Date())
  }
  const catchUp = async (connection: number) => {
    handlers.onGap()
    const { rows } = await recentChanges(db, new Date())
    for (const { tag } of rows) handlers.onChange(tag, new Date())
    caughtUp = connection
  }
  const catchUpUntilDone = (connection: number) => {
    if (connection !== connections) return
    catchingUp = catchUp(connection).catch((error: unknown) => {
      handlers.onError(error)
      setTimeout(() => catchUpUntilDone(connection), RETRY_MS).unref()
    })
  }
  carrier.subscribe(hear, () => catchUpUntilDone(++connections), handlers.onError)
  const beat = setInterval(() => carrier.send(`${beatOf}${performance.now()}`).catch(() => {}), BEAT_MS)
  beat.unref()

  return {
    isCurrent: () => connections > 0 && caughtUp === connections && performance.now() - beatenAt < DEAF_AFTER_MS,
    async close() {
      connections = 0
      clearInterval(beat)
      await carrier.close()
      await catchingUp
    },
  }
}

/** Identities are given before commits, so the latest are read again for those that were not there yet. */
const OVERLAP = 1_000

/** A feed by reading the table over and over: slower than messages, and dependent on nothing else. */
export function pollChanges(db: Database, handlers: FeedHandlers): ChangeFeed {
  const told = new Set<number>()
  let last = 0
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined

  const read = async () => {
    const startedAt = performance.now()
    const { rows, last: newest } = await recentChanges(db, new Date(), Math.max(0, last - OVERLAP))
    for (const { id, tag } of rows) {
      if (told.has(id)) continue
      told.add(id)
      handlers.onChange(tag, new Date())
    }
    last = Math.max(last, newest)
    for (const id of told) if (id < last - OVERLAP) told.delete(id)
    readAt = startedAt
  }
  const tick = () => {
    reading ??= read()
      .catch(handlers.onError)
      .finally(() => {
        reading = undefined
      })
  }
  tick()
  const timer = setInterval(tick, POLL_MS)
  timer.unref()

  return {
    isCurrent: () => performance.now() - readAt < 1000,
    async close() {
      clearInterval(timer)
      await reading
    },
  }
}
