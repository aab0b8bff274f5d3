import { errors, Provider } from 'oidc-provider'
import { type PublicError, TooManyAttempts } from '../errors.ts'
import type { Limit } from '../limits/limits.ts'

/** Has the engine answer that something is not to be had for now: 429 `slow_down`, or a 503. */
export function refuseForNow({ status, code, message, retryAfter }: PublicError): never {
  Provider.ctx?.set('Retry-After', String(retryAfter))
  const error = new errors.CustomOIDCProviderError(status === 429 ? 'slow_down' : code, message)
  throw Object.assign(error, { status, statusCode: status })
}

/** Counts one; has the engine answer `slow_down` when that is one too many. */
export async function countOrRefuse(limit: Limit, key: string): Promise<void> {
  await limit.count(key).catch((error: unknown) => {
    if (error instanceof TooManyAttempts) refuseForNow(error)
    throw error
  })
}
