import { carryByPostgres } from './change-carrier.ts'
import { type ChangeFeed, type FeedHandlers, hearChanges, pollChanges } from './change-feed.ts'
import { onAnnounce, type Tag } from './changes.ts'
import type { Storage } from './storage.ts'

/** Changes before that are forgotten: of what is older only the database can tell. */
const KEPT_MS = 15 * 60 * 1000
/** A verification may overlap a change by this much and is not remembered. */
const OVERLAP_MS = 2_000
/** How long a change may take from its announcement to its commit. */
const UNSETTLED_MS = 5_000

/** Who remembers what a change makes worthless. */
export interface Rememberer {
  /** Drop what depends on this: it changed, or is changing here. */
  forget(tag: Tag): void
  /** Drop everything: changes may have been missed. */
  forgetAll(): void
}

/** What this process knows of changes to what credentials depend on, in every process. */
export interface LiveChanges {
  /** Whether this process hears of changes. While it does not, what it remembers is not to be trusted. */
  isCurrent(): boolean
  /**
   * Whether one of these changed, or is changing here, since a moment, or may have because it was that long ago; if so
   * only the database can tell.
   */
  changedSince(tags: readonly Tag[], moment: Date, skewMs?: number): boolean
  /** Has a rememberer told from now on. */
  tell(rememberer: Rememberer): void
  close(): Promise<void>
}

/**
 * Starts to follow the changes of a database, first those that may still matter.
 * @param natsUrl a NATS server to carry them, where the database has no LISTEN
 */
export async function openLiveChanges(
  storage: Storage,
  natsUrl: string | undefined,
  onError: (error: unknown) => void,
): Promise<LiveChanges> {
  const rememberers = new Set<Rememberer>()
  const changedAt = new Map<Tag, number>()
  const unsettledUntil = new Map<Tag, number>()

  const forget = (tag: Tag) => {
    for (const rememberer of rememberers) rememberer.forget(tag)
  }
  const stopHearing = onAnnounce((tags) => {
    for (const tag of tags) {
      unsettledUntil.set(tag, Date.now() + UNSETTLED_MS)
      forget(tag)
    }
  })
  const feed = await openFeed(storage, natsUrl, {
    onChange(tag, at) {
      changedAt.set(tag, Math.max(at.getTime(), changedAt.get(tag) ?? 0))
      unsettledUntil.delete(tag)
      forget(tag)
    },
    onGap() {
      for (const rememberer of rememberers) rememberer.forgetAll()
    },
    onError,
  })
  const pruning = setInterval(() => {
    const now = Date.now()
    for (const [tag, at] of changedAt) if (at + KEPT_MS < now) changedAt.delete(tag)
    for (const [tag, until] of unsettledUntil) if (until < now) unsettledUntil.delete(tag)
  }, 30_000).unref()

  return {
    isCurrent: feed.isCurrent,
    changedSince(tags, moment, skewMs = OVERLAP_MS) {
      if (moment.getTime() - skewMs < Date.now() - KEPT_MS) return true
      if (changedAt.size === 0 && unsettledUntil.size === 0) return false
      return tags.some((tag) => {
        if ((unsettledUntil.get(tag) ?? 0) > Date.now()) return true
        const at = changedAt.get(tag)
        return at !== undefined && at + skewMs >= moment.getTime()
      })
    },
    tell: (rememberer) => void rememberers.add(rememberer),
    async close() {
      clearInterval(pruning)
      stopHearing()
      await feed.close()
    },
  }
}

async function openFeed(storage: Storage, natsUrl: string | undefined, handlers: FeedHandlers): Promise<ChangeFeed> {
  const { address, db } = storage
  if (natsUrl !== undefined) {
    const { carryByNats } = await import('./nats-carrier.ts')
    const heard = hearChanges(await carryByNats(natsUrl, db, handlers.onError), db, handlers)
    // Commands and processes that end do not publish what they commit: the table is read besides.
    const polled = pollChanges(db, handlers)
    return {
      isCurrent: () => polled.isCurrent() && heard.isCurrent(),
      close: async () => void (await Promise.all([heard.close(), polled.close()])),
    }
  }
  return 'url' in address ? hearChanges(carryByPostgres(address.url), db, handlers) : pollChanges(db, handlers)
}
