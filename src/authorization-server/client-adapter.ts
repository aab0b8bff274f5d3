import { type Adapter, errors, Provider } from 'oidc-provider'
import { deleteClient, findClient } from '../clients/clients.ts'
import { type ClientMetadata, fromRegistration, toMetadata } from '../clients/metadata.ts'
import { registerClient, updateRegistration } from '../clients/registrations.ts'
import { InvalidCredential, InvalidRedirectUri, NotFound, PublicError, TooManyClients } from '../errors.ts'
import type { DetailsTypes } from '../resources/details-types.ts'
import { digest } from '../secrets/opaque-token.ts'
import { originOfEngine } from './audit-trail.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { refuseForNow } from './refuse-for-now.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/**
 * Gives the engine our clients, takes the ones that register themselves (RFC 7591), and lets those change and delete
 * themselves (RFC 7592). What a registration writes stands with the token that manages it, or not at all.
 */
export function createClientAdapter({ work, clients, detailsTypes, config }: AuthorizationServerDependencies): Adapter {
  const most = config.dynamicClientsMax
  const refuse = async () => {
    throw new errors.InvalidRequest('clients are not managed this way')
  }
  return {
    async find(id) {
      const client = await clients.find(work.db, id)
      // Where there are no certificates the engine would give it tokens that are bound to nothing.
      const isBound = client?.metadata.tls_client_certificate_bound_access_tokens === true
      if (client === undefined || (isBound && config.clientCertificates === 'off')) return undefined
      return withKnownTypes(toMetadata(client), detailsTypes)
    },

    upsert: (id, payload) =>
      work.atOnce(() => (isUpdate() ? update(work, id, payload) : register(work, payload, most))).catch(told),

    destroy: (id) => work.atOnce(() => deleteClient(work.db, id, new Date(), originOfEngine(Provider.ctx))).catch(told),

    consume: refuse,
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    revokeByGrantId: refuse,
  }
}

const isUpdate = () => Provider.ctx?.oidc.route === 'client_update'

async function register({ db }: UnitOfWork, payload: object, most: number): Promise<void> {
  const { InitialAccessToken: token } = Provider.ctx?.oidc.entities ?? {}
  const initialAccessToken = token && digest(token.jti)
  await registerClient(db, fromRegistration(payload as ClientMetadata), {
    most,
    initialAccessToken,
    credential: initialAccessToken === undefined ? undefined : { kind: 'initial_access_token', id: initialAccessToken },
    from: Provider.ctx?.ip,
  })
}

async function update({ db }: UnitOfWork, id: string, payload: object): Promise<void> {
  const token = Provider.ctx?.oidc.entities.RegistrationAccessToken
  const registrationAccessToken = digest(token?.jti ?? '')
  await updateRegistration(db, fromRegistration(payload as ClientMetadata, await findClient(db, id)), {
    registrationAccessToken,
    now: new Date(),
    credential: { kind: 'registration_access_token', id: registrationAccessToken },
    from: Provider.ctx?.ip,
  })
}

/** The engine tells `invalid_redirect_uri` from the rest by how the description begins. */
function told(error: unknown): never {
  if (error instanceof InvalidCredential || error instanceof NotFound) throw new errors.InvalidToken('used up')
  if (error instanceof TooManyClients) refuseForNow(error)
  if (error instanceof InvalidRedirectUri) throw new errors.InvalidClientMetadata(`redirect_uris: ${error.message}`)
  if (error instanceof PublicError) throw new errors.InvalidClientMetadata(error.message)
  throw error
}

/** The engine takes no client with types that it does not know, as for a moment after they were registered. */
function withKnownTypes(metadata: ClientMetadata, types: DetailsTypes): ClientMetadata {
  const asked = metadata.authorization_details_types
  if (!Array.isArray(asked)) return metadata
  return { ...metadata, authorization_details_types: asked.filter((type) => types.find(type) !== undefined) }
}
