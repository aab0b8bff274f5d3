import type { Provider } from 'oidc-provider'
import { noteSignOut } from '../logout-notices/logout-notices.ts'
import { clientMethodsOf } from './engine-internals.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/**
 * Has the engine, when it ends a session, write down which clients are to be told, in the transaction of the
 * sign-out; by itself it would tell each while the person waits, once, and forget it.
 */
export function noteBackChannelLogouts(provider: Provider, work: UnitOfWork): void {
  clientMethodsOf(provider).backchannelLogout = async function (accountId, sid) {
    await work.atOnce(() => noteSignOut(work.db, accountId, { [this.clientId]: { sid } }, new Date()))
  }
  // The engine goes on without the notice. A sign-out that cannot be told of has failed.
  provider.on('backchannel.error', (_ctx, error) => {
    throw error
  })
}
