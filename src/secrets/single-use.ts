/** How much earlier than a consumption another request may have arrived and still be called simultaneous. */
const SIMULTANEOUS_MS = 5_000

/**
 * Whether a request was under way when another consumed what it presents: a double click, not a copy
 * (RFC 9700 4.14.2 is about the latter). One that was held open long before is no such thing.
 */
export function wasUnderWay(arrivedAt: Date, consumedAt: Date): boolean {
  const ahead = consumedAt.getTime() - arrivedAt.getTime()
  return ahead >= 0 && ahead < SIMULTANEOUS_MS
}
