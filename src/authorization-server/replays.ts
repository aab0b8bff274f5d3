import type { Provider } from 'oidc-provider'
import { PROOF_WINDOW_MS } from '../credentials/dpop-proof.ts'
import { useOnceIn } from '../credentials/use-once.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { replaceReplayDetection } from './engine-internals.ts'

/**
 * Has the engine take a `jti` once, over all processes, where it would look first and store then. Within a transaction
 * it is used up in it: the connection may be the only one, and what is undone has not happened.
 */
export function refuseReplays(
  provider: Provider,
  { work, useOnce }: Pick<AuthorizationServerDependencies, 'work' | 'useOnce'>,
): void {
  replaceReplayDetection(provider, (owner, jti, exp) => {
    // The engine counts from when a proof came, which may be that long before what it says of its own age.
    const identifier = { owner, jti, until: new Date(exp * 1000 + PROOF_WINDOW_MS) }
    return work.db === work.pool ? useOnce(identifier) : useOnceIn(work.db, identifier)
  })
}
