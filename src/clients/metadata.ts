import { InvalidRequest, InvalidScope } from '../errors.ts'
import { API_SCOPES, isScopeToken, OPENID_SCOPES, scopesOfRole, splitScope } from '../resources/scopes.ts'
import { digest } from '../secrets/opaque-token.ts'
import { type Client, type ClientType, isConfidential } from './clients.ts'
import { requireClientName, requireRedirectUris } from './description.ts'
import { answeredApart, GIVEN_GRANT_TYPES, grantTypesOf } from './grant-types.ts'
import { redirectUriProblem } from './redirect-uris.ts'

/** Client metadata in wire spelling (RFC 7591 2). */
export type ClientMetadata = Record<string, unknown>

/**
 * Members of client metadata that are ours, and nobody's to set who registers a client. The engine takes `scope` for
 * OpenID scopes alone, so what a client may ask for travels as `allowed_scope`.
 */
export const OURS = [
  'first_party',
  'client_role',
  'dynamic',
  'allowed_scope',
  'access_token_format',
  'serves',
  'security_profile',
  'tells_unknown_users',
]

/** What has a column, is derived from the type, or is ours. */
const DERIVED = new Set([
  ...OURS,
  'client_id',
  'client_secret',
  'client_secret_expires_at',
  'client_id_issued_at',
  'client_name',
  'redirect_uris',
  'scope',
  'application_type',
  'grant_types',
  'response_types',
  'token_endpoint_auth_method',
])

/**
 * A client as RFC 7591 metadata. `client_secret` is the digest of the secret, which is all we have:
 * it is compared with the digest of what a client presents.
 */
export function toMetadata(client: Client): ClientMetadata {
  return {
    ...client.metadata,
    client_id: client.id,
    client_id_issued_at: Math.floor(client.createdAt.getTime() / 1000),
    client_name: client.name,
    ...(client.secretDigest === null ? {} : { client_secret: client.secretDigest }),
    redirect_uris: client.redirectUris,
    allowed_scope: client.scope.join(' '),
    application_type: client.type === 'native' ? 'native' : 'web',
    grant_types: grantTypesOf(client),
    response_types: client.redirectUris.length > 0 ? ['code'] : [],
    token_endpoint_auth_method:
      client.metadata.token_endpoint_auth_method ?? (isConfidential(client.type) ? 'client_secret_basic' : 'none'),
    first_party: client.firstParty,
    client_role: client.role,
    dynamic: client.dynamic,
  }
}

/**
 * A dynamically registered client (RFC 7591) as a row. It is never first-party, and is held to the
 * scopes that any account may give.
 * @param before as it was, when it replaces its metadata: the digest of its secret stays what it is
 * @throws {InvalidRequest | InvalidRedirectUri | InvalidScope} for metadata that will not do
 */
export function fromRegistration(metadata: ClientMetadata, before?: Client): Omit<Client, 'createdAt'> {
  const type = typeOf(metadata)
  const name = String(metadata.client_name ?? metadata.client_id)
  requireClientName(name)
  const redirectUris = metadata.redirect_uris as string[]
  const apart = answeredApart(metadata.grant_types as string[])
  requireRedirectUris(redirectUris, type, apart)
  if (redirectUris.length > 0 && !(metadata.grant_types as string[]).includes('authorization_code')) {
    throw new InvalidRequest('A client with redirect URIs needs the grant type authorization_code.')
  }
  for (const uri of (metadata.post_logout_redirect_uris as string[] | undefined) ?? []) {
    const problem = redirectUriProblem(uri, type)
    if (problem !== undefined) throw new InvalidRequest(`The post_logout_redirect_uri ${uri} ${problem}.`)
  }
  const backchannel = metadata.backchannel_logout_uri as string | undefined
  const unreachable = backchannel === undefined ? undefined : redirectUriProblem(backchannel, 'web')
  if (unreachable !== undefined) throw new InvalidRequest(`The backchannel_logout_uri ${backchannel} ${unreachable}.`)
  return {
    id: String(metadata.client_id),
    name,
    type,
    secretDigest: secretDigestOf(metadata, before),
    redirectUris,
    scope: registeredScope(metadata.allowed_scope as string | undefined, type),
    firstParty: false,
    role: 'service',
    dynamic: true,
    documentFreshUntil: null,
    usedAt: null,
    metadata: {
      ...Object.fromEntries(Object.entries(metadata).filter(([name]) => !DERIVED.has(name))),
      token_endpoint_auth_method: metadata.token_endpoint_auth_method,
      ...(apart.length === 0 ? {} : { grant_types: apart }),
    },
  }
}

function secretDigestOf(metadata: ClientMetadata, before: Client | undefined): string | null {
  const { client_secret: secret, token_endpoint_auth_method: method } = metadata
  if (typeof secret !== 'string' || !String(method).startsWith('client_secret_')) return null
  return secret === before?.secretDigest ? secret : digest(secret)
}

function typeOf(metadata: ClientMetadata): ClientType {
  const grantTypes = metadata.grant_types as string[]
  const given = grantTypes.find((type) => type === 'client_credentials' || GIVEN_GRANT_TYPES.has(type))
  if (given !== undefined) {
    throw new InvalidRequest(`A client that registers itself cannot use ${given}: ask the operator.`)
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
