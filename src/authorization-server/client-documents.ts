import { errors, Provider } from 'oidc-provider'
import { type Client, findClient } from '../clients/clients.ts'
import { OURS } from '../clients/metadata.ts'
import { documentUrlProblem, fromDocument, isDocumentUrl, keepDocument } from '../clients/metadata-documents.ts'
import { isLoopbackHost } from '../clients/redirect-uris.ts'
import { PublicError, TooManyAttempts, TooManyClients } from '../errors.ts'
import { addressesFor, requestEither } from '../http/outgoing.ts'
import { networkOf } from '../limits/networks.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { freshSeconds } from './freshness.ts'
import { refuseForNow } from './refuse-for-now.ts'
import { requireSoundMetadata } from './registration.ts'
import { createRemoteFetch, remoteUrlProblem } from './remote-documents.ts'

/** As the draft has it (8.6). */
const MAX_BYTES = 5 * 1024
const PATIENCE_MS = 3_000
/** At a time, in this process. */
const MOST_FETCHES = 20
const RETRY_MS = 60_000
/** For so long a client goes on by what its document said, while its server does not answer. */
const GRACE_MS = 24 * 60 * 60 * 1000

/** Clients that describe themselves by a document at their identifier (OAuth Client ID Metadata Document). */
export interface ClientDocuments {
  /**
   * Sees to it that what is stored of a client is what its document says; does nothing for any other client.
   * @throws {errors.InvalidClient | errors.InvalidClientMetadata} when it may not be taken, cannot be fetched or will not do
   */
  refresh(id: string): Promise<void>
}

export function createClientDocuments(dependencies: AuthorizationServerDependencies): ClientDocuments {
  const { config, work, clients, limits } = dependencies
  const isLocal = isLoopbackHost(new URL(config.issuer).hostname)
  const fetchDocument = isLocal
    ? createRemoteFetch(addressesFor(isLocal), requestEither, MAX_BYTES)
    : createRemoteFetch(undefined, undefined, MAX_BYTES)
  const underWay = new Map<string, Promise<void>>()
  const retryAt = new Map<string, number>()

  const requireAllowed = (id: string) => {
    const { hostname = '' } = URL.parse(id) ?? {}
    const { clientIdMetadata: allowed } = config
    if (allowed === 'off' || (allowed !== 'open' && !allowed.includes(hostname)))
      throw new errors.InvalidClient('client is invalid', 'clients of this host are not taken')
    const isAtLoopback = isLocal && isLoopbackHost(hostname)
    const problem = documentUrlProblem(id, isAtLoopback) ?? (isAtLoopback ? undefined : remoteUrlProblem(id))
    if (problem !== undefined) throw refusal(`the client_id ${problem}`)
  }

  /** A stranger has the server send requests; a client that is known, only when its document is not fresh any more. */
  const countStranger = async () => {
    try {
      await limits.registrations.count(networkOf(Provider.ctx?.ip))
    } catch (error) {
      if (error instanceof TooManyAttempts) refuseForNow(error)
      throw error
    }
  }

  const update = async (id: string, known: Client | undefined) => {
    if (known === undefined) await countStranger()
    const response = await fetchDocument(id, {
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(PATIENCE_MS),
    }).catch(() => undefined)
    const hasNoAnswer = response === undefined || response.status === 429 || response.status >= 500
    const graceEnds = (known?.documentFreshUntil?.getTime() ?? 0) + GRACE_MS
    if (hasNoAnswer && graceEnds > Date.now()) {
      if (retryAt.size > 1_000) retryAt.clear()
      retryAt.set(id, Date.now() + RETRY_MS)
      return
    }
    if (response?.status !== 200) throw refusal('the metadata document of this client cannot be fetched')
    const now = new Date()
    const freshUntil = new Date(now.getTime() + freshSeconds(response.headers, now) * 1000)
    const { dynamicClientsMax: most } = config
    await keepDocument(work.db, clientOf(id, await response.text()), { freshUntil, most, now })
    retryAt.delete(id)
  }

  return {
    async refresh(id) {
      if (!isDocumentUrl(id)) return
      requireAllowed(id)
      if (isFresh(await clients.find(work.db, id))) return
      const known = await findClient(work.db, id)
      if (isFresh(known) || (known !== undefined && (retryAt.get(id) ?? 0) > Date.now())) return
      const joined = underWay.get(id)
      if (joined !== undefined) return joined
      if (underWay.size >= MOST_FETCHES) throw new errors.CustomOIDCProviderError('slow_down', 'too many documents')
      const updated = update(id, known)
        .catch(told)
        .finally(() => underWay.delete(id))
      underWay.set(id, updated)
      return updated
    },
  }
}

const isFresh = (client: Client | undefined) => (client?.documentFreshUntil?.getTime() ?? 0) > Date.now()

function clientOf(id: string, text: string): Omit<Client, 'createdAt'> {
  let document: Record<string, unknown>
  try {
    document = JSON.parse(text)
  } catch {
    throw refusal('the metadata document of this client is no JSON')
  }
  requireSoundMetadata(Object(document))
  const ours = OURS.find((name) => name in Object(document))
  if (ours !== undefined) throw refusal(`${ours} is not for a client to set`)
  return fromDocument(id, document)
}

/** What the engine is to say. To a person at the authorization endpoint, why; else as of any client (RFC 6749 5.2). */
function refusal(description: string): Error {
  const isShown = Provider.ctx?.oidc?.route === 'authorization'
  return isShown ? new errors.InvalidClientMetadata(description) : new errors.InvalidClient(description)
}

function told(error: unknown): never {
  if (error instanceof TooManyClients) refuseForNow(error)
  throw error instanceof PublicError && error.status < 500 ? refusal(error.message) : error
}
