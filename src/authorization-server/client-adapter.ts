import { type Adapter, errors, Provider } from 'oidc-provider'
import { record } from '../audit/audit.ts'
import type { Client } from '../clients/clients.ts'
import { type ClientMetadata, fromRegistration, toMetadata } from '../clients/metadata.ts'
import type { Remembered } from '../database/remembered.ts'
import { clients as clientRows } from '../database/schema.ts'
import { InvalidRedirectUri, PublicError } from '../errors.ts'
import { digest } from '../secrets/opaque-token.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/** Gives the engine our clients, and takes the ones that register themselves (RFC 7591). */
export function createClientAdapter(work: UnitOfWork, clients: Remembered<Client>): Adapter {
  const refuse = async () => {
    throw new errors.InvalidRequest('clients are not managed this way')
  }
  return {
    async find(id) {
      const client = await clients.find(work.db, id)
      return client && toMetadata(client)
    },

    async upsert(_id, payload) {
      try {
        const client = fromRegistration(payload as ClientMetadata)
        const { InitialAccessToken: token } = Provider.ctx?.oidc.entities ?? {}
        await work.db.transaction(async (tx) => {
          await tx.insert(clientRows).values(client)
          await record(tx, {
            type: 'client.register',
            credential: token && { kind: 'initial_access_token', id: digest(token.jti) },
            from: Provider.ctx?.ip,
            clientId: client.id,
            details: { type: client.type },
          })
        })
      } catch (error) {
        // The engine tells `invalid_redirect_uri` from the rest by how the description begins.
        if (error instanceof InvalidRedirectUri)
          throw new errors.InvalidClientMetadata(`redirect_uris: ${error.message}`)
        if (error instanceof PublicError) throw new errors.InvalidClientMetadata(error.message)
        throw error
      }
    },

    destroy: refuse,
    consume: refuse,
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    revokeByGrantId: refuse,
  }
}
