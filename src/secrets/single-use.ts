/** How much earlier than a consumption another request may have arrived and still be called simultaneous. */
const SIMULTANEOUS_MS = 5_000
/** How long after a rotation the refresh token before may be sent again, by who has not got the answer. */
export const REFRESH_RETRY_MS = 30_000

/**
 * Whether a request was under way when another consumed what it presents: a double click, not a copy
 * (RFC 9700 4.14.2 is about the latter). One that was held open long before is no such thing.
 */
export function wasUnderWay(arrivedAt: Date, consumedAt: Date): boolean {
  const ahead = consumedAt.getTime() - arrivedAt.getTime()
  return ahead >= 0 && ahead < SIMULTANEOUS_MS
}

/** Whether a refresh token that was rotated then may still be a retry; its successor must not have been used either. */
export function mayRetry(consumedAt: Date, now: Date): boolean {
  return now.getTime() - consumedAt.getTime() < REFRESH_RETRY_MS
}
