import { Provider } from 'oidc-provider'
import { TooManyAttempts } from '../errors.ts'
import type { Limit } from '../limits/limits.ts'
import { networkOf } from '../limits/networks.ts'
import { digest, digestsEqual } from '../secrets/opaque-token.ts'
import { clientMethodsOf } from './engine-internals.ts'
import { refuseForNow } from './refuse-for-now.ts'

/**
 * Has the engine compare digests, which is all we keep of client secrets, and count the failures by
 * client and network, so that a guesser is slowed down and the client itself is not (OAuth 2.1 2.4.1).
 * The comparison waits for nothing, so a failure is counted before the next guess is compared; a client that
 * asks for many tokens is not taken for a guesser, and causes no query.
 */
export function compareSecretDigests(provider: Provider, attempts: Limit): void {
  clientMethodsOf(provider).compareClientSecret = async function (presented) {
    const key = `${this.clientId} ${networkOf(Provider.ctx?.ip)}`
    const matches = digestsEqual(this.clientSecret, digest(presented))
    const counted = matches ? attempts.requireLeft(key) : attempts.count(key)
    await counted.catch((error: unknown) => {
      if (error instanceof TooManyAttempts) refuseForNow(error)
      throw error
    })
    return matches
  }
}
