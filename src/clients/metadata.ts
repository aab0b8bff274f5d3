import { InvalidRequest, InvalidScope } from '../errors.ts'
import { API_SCOPES, isScopeToken, OPENID_SCOPES, scopesOfRole, splitScope } from '../resources/scopes.ts'
import { digest } from '../secrets/opaque-token.ts'
import { type Client, type ClientType, isConfidential, requireClientName, requireRedirectUris } from './clients.ts'

/** Client metadata in wire spelling (RFC 7591 2). */
export type ClientMetadata = Record<string, unknown>

/** What has a column, is derived from the type, or is nobody's to set. */
const DERIVED = new Set([
  'client_id',
  'client_secret',
  'client_secret_expires_at',
  'client_id_issued_at',
  'client_name',
  'redirect_uris',
  'scope',
  'allowed_scope',
  'application_type',
  'grant_types',
  'response_types',
  'token_endpoint_auth_method',
  'first_party',
  'dynamic',
  'access_token_format',
])

/**
 * A client as RFC 7591 metadata. `client_secret` is the digest of the secret, which is all we have:
 * it is compared with the digest of what a client presents.
 */
export function toMetadata(client: Client): ClientMetadata {
  const person = client.type !== 'machine'
  return {
    ...client.metadata,
    client_id: client.id,
    client_name: client.name,
    ...(client.secretDigest === null ? {} : { client_secret: client.secretDigest }),
    redirect_uris: client.redirectUris,
    allowed_scope: client.scope.join(' '),
    application_type: client.type === 'native' ? 'native' : 'web',
    grant_types: person ? ['authorization_code', 'refresh_token'] : ['client_credentials'],
    response_types: person ? ['code'] : [],
    token_endpoint_auth_method:
      client.metadata.token_endpoint_auth_method ?? (isConfidential(client.type) ? 'client_secret_basic' : 'none'),
    first_party: client.firstParty,
    dynamic: client.dynamic,
  }
}

/**
 * A dynamically registered client (RFC 7591) as a row. It is never first-party, and is held to the
 * scopes that any account may give.
 * @throws {InvalidRequest | InvalidRedirectUri | InvalidScope} for metadata that will not do
 */
export function fromRegistration(metadata: ClientMetadata): Omit<Client, 'createdAt'> {
  const type = typeOf(metadata)
  const name = String(metadata.client_name ?? metadata.client_id)
  requireClientName(name)
  const redirectUris = metadata.redirect_uris as string[]
  requireRedirectUris(redirectUris, type)
  const secret = metadata.client_secret as string | undefined
  return {
    id: String(metadata.client_id),
    name,
    type,
    secretDigest: secret === undefined ? null : digest(secret),
    redirectUris,
    scope: registeredScope(metadata.allowed_scope as string | undefined, type),
    firstParty: false,
    dynamic: true,
    metadata: {
      ...Object.fromEntries(Object.entries(metadata).filter(([name]) => !DERIVED.has(name))),
      token_endpoint_auth_method: metadata.token_endpoint_auth_method,
    },
  }
}

function typeOf(metadata: ClientMetadata): ClientType {
  const grantTypes = metadata.grant_types as string[]
  if (grantTypes.includes('client_credentials')) {
    throw new InvalidRequest('A client that registers itself cannot use client_credentials: ask the operator.')
  }
  if (metadata.application_type === 'native') return 'native'
  return metadata.token_endpoint_auth_method === 'none' ? 'spa' : 'web'
}

function registeredScope(scope: string | undefined, type: ClientType): string[] {
  const open = new Set([...Object.keys(OPENID_SCOPES), ...scopesOfRole('user')])
  const asked = splitScope(scope)
  if (asked.length === 0) return type === 'machine' ? [] : [...Object.keys(OPENID_SCOPES), 'profile:read']
  for (const name of asked) {
    const ours = name in OPENID_SCOPES || name in API_SCOPES
    if (!isScopeToken(name) || (ours && !open.has(name)))
      throw new InvalidScope(`The scope ${name} cannot be registered.`)
  }
  return asked
}
