import { type Client as EngineClient, Provider } from 'oidc-provider'
import type { Client } from '../clients/clients.ts'
import { digest } from '../secrets/opaque-token.ts'
import { createClientDocuments } from './client-documents.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { lookForNoClient, mapBody, wrapFindClient } from './engine-internals.ts'

/**
 * Has the engine keep a client for as long as our row of it is remembered. By itself it asks for the metadata
 * on each request, and serializes and hashes them to see whether it has validated the same before.
 */
export function rememberClients(provider: Provider, dependencies: AuthorizationServerDependencies): void {
  const { work, clients } = dependencies
  const documents = createClientDocuments(dependencies)
  const known = new WeakMap<Client, EngineClient>()

  wrapFindClient(provider, (find) => async (id) => {
    if (typeof id === 'string') {
      await documents.refresh(id).catch((error: unknown) => {
        lookForNoClient()
        throw error
      })
    }
    if (Provider.ctx?.oidc?.route === 'client_update') mapBody(withSecretDigest)
    const row = typeof id === 'string' && id !== '' ? await clients.find(work.db, id) : undefined
    const remembered = row && known.get(row)
    if (remembered !== undefined) return remembered
    const found = await find(id)
    if (row !== undefined && found !== undefined) known.set(row, found)
    return found
  })
}

/** The engine compares the secret that a client tells of itself (RFC 7592 2.2) with what we have, which is a digest. */
function withSecretDigest(body: unknown): unknown {
  const { client_secret: secret } = Object(body) as { client_secret?: unknown }
  return typeof secret === 'string' ? { ...Object(body), client_secret: digest(secret) } : body
}
