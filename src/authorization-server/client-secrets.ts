import { errors, Provider } from 'oidc-provider'
import { TooManyAttempts } from '../errors.ts'
import type { AttemptLimit } from '../http/rate-limits.ts'
import { digest, digestsEqual } from '../secrets/opaque-token.ts'

interface ClientPrototype {
  clientId: string
  clientSecret: string
  compareClientSecret(presented: string): Promise<boolean>
}

/**
 * Has the engine compare digests, which is all we keep of client secrets, and count the failures by
 * client and network, so that a guesser is slowed down and the client itself is not (OAuth 2.1 2.4.1).
 * The comparison waits for nothing, so a failure is counted before the next guess is compared, and a
 * client that asks for many tokens at once is not taken for a guesser.
 */
export function compareSecretDigests(provider: Provider, attempts: AttemptLimit): void {
  const prototype = provider.Client.prototype as unknown as ClientPrototype

  prototype.compareClientSecret = async function (presented) {
    const ctx = Provider.ctx
    const key = `${this.clientId} ${ctx?.ip}`
    const matches = digestsEqual(this.clientSecret, digest(presented))
    const counted = matches ? attempts.requireLeft(key) : attempts.attempt(key)
    await counted.catch((error: unknown) => {
      if (!(error instanceof TooManyAttempts)) throw error
      ctx?.set('Retry-After', String(error.retryAfter))
      throw Object.assign(new errors.CustomOIDCProviderError('slow_down', error.message), {
        status: 429,
        statusCode: 429,
      })
    })
    return matches
  }
}
