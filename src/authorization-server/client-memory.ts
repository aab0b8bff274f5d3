import type { Client as EngineClient, Provider } from 'oidc-provider'
import type { Client } from '../clients/clients.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'

/**
 * Has the engine keep a client for as long as our row of it is remembered. By itself it asks for the metadata
 * on each request, and serializes and hashes them to see whether it has validated the same before.
 */
export function rememberClients(provider: Provider, { work, clients }: AuthorizationServerDependencies): void {
  const known = new WeakMap<Client, EngineClient>()
  const find = provider.Client.find.bind(provider.Client)

  provider.Client.find = async (id) => {
    const row = typeof id === 'string' && id !== '' ? await clients.find(work.db, id) : undefined
    const remembered = row && known.get(row)
    if (remembered !== undefined) return remembered
    const found = await find(id)
    if (row !== undefined && found !== undefined) known.set(row, found)
    return found
  }
}
