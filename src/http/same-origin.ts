import type { FastifyRequest } from 'fastify'
import { CrossSiteRequest } from '../errors.ts'

/** Whether a browser made the request: only browsers, and all of them, send these on a POST. */
export function isFromBrowser(request: FastifyRequest): boolean {
  return request.headers.origin !== undefined || request.headers['sec-fetch-site'] !== undefined
}

/**
 * Refuses a request that another site's page made (Fetch Metadata; Origin where that is missing).
 * @param origins the exact origins that are ours
 * @param options.proof when true, a request that says nothing of its origin is refused too:
 *   for routes that act on a cookie
 * @throws {CrossSiteRequest}
 */
export function requireSameOrigin(
  request: FastifyRequest,
  origins: readonly string[],
  options: { proof: boolean },
): void {
  const { origin, 'sec-fetch-site': site } = request.headers
  // A form on a page without referrer is sent with `Origin: null`, which says nothing by itself.
  const named = origin !== undefined && origin !== 'null'
  if (named && origins.includes(origin)) return
  if (!named && (site === 'same-origin' || site === 'none')) return
  if (origin === undefined && site === undefined && !options.proof) return
  throw new CrossSiteRequest()
}
