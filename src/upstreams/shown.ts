import type { Database } from '../database/client.ts'
import { isDatabaseUnavailable } from '../database/unavailable.ts'
import { listUpstreams, type Upstream } from './upstreams.ts'

const KEPT_MS = 5_000

/** The upstreams that the start page shows. */
export type ShownUpstreams = () => Promise<readonly Upstream[]>

/** Remembers them for some seconds, and while the database is away: the page is there without it. */
export function createShownUpstreams(db: Database): ShownUpstreams {
  let known: readonly Upstream[] = []
  let until = 0

  return async () => {
    if (Date.now() < until) return known
    try {
      known = await listUpstreams(db)
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error
    }
    until = Date.now() + KEPT_MS
    return known
  }
}
