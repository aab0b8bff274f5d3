import { X509Certificate } from 'node:crypto'
import { InvalidRequest } from '../errors.ts'
import { splitScope } from '../resources/scopes.ts'
import type { ClientCertificate } from './certificates.ts'
import type { ClientKeys } from './client-keys.ts'
import type { Client } from './clients.ts'
import { givenGrantType } from './grant-types.ts'
import { type ClientRole, type ClientType, isConfidential, type NewClient } from './new-client.ts'

/** The members by which a client is found in its certificate (RFC 8705 2.1.2). */
export const CERTIFICATE_SUBJECTS = ['subject_dn', 'san_dns', 'san_uri', 'san_ip', 'san_email'] as const
type SubjectMembers = { readonly [Name in (typeof CERTIFICATE_SUBJECTS)[number] as `tls_client_auth_${Name}`]?: string }

/** What an operator says of a client, as client metadata (RFC 7591 2) with some members of ours. */
export interface OperatorMetadata extends SubjectMembers {
  readonly client_name: string
  readonly client_type: ClientType
  readonly client_role?: ClientRole
  readonly redirect_uris?: readonly string[]
  readonly scope?: string
  readonly first_party?: boolean
  readonly grant_types?: readonly string[]
  readonly token_endpoint_auth_method?: string
  readonly jwks?: { readonly keys: readonly object[] }
  readonly jwks_uri?: string
  /** In PEM, of its own. */
  readonly tls_client_certificate?: string
  readonly tls_client_certificate_bound_access_tokens?: boolean
  readonly dpop_bound_access_tokens?: boolean
  readonly require_pushed_authorization_requests?: boolean
  readonly require_signed_request_object?: boolean
  readonly introspection_signed_response_alg?: 'RS256' | 'ES256'
  readonly access_token_format?: 'jwt' | 'opaque'
  readonly authorization_details_types?: readonly string[]
  readonly serves?: readonly string[]
  readonly security_profile?: 'fapi2'
  readonly post_logout_redirect_uris?: readonly string[]
  readonly backchannel_logout_uri?: string
  readonly backchannel_logout_session_required?: boolean
  readonly backchannel_token_delivery_mode?: 'poll' | 'ping'
  readonly backchannel_client_notification_endpoint?: string
  readonly tells_unknown_users?: boolean
}

/** Members that are stored as they are said. */
const KEPT = [
  'jwks',
  'jwks_uri',
  ...CERTIFICATE_SUBJECTS.map((name) => `tls_client_auth_${name}`),
  'tls_client_certificate_bound_access_tokens',
  'dpop_bound_access_tokens',
  'require_pushed_authorization_requests',
  'require_signed_request_object',
  'introspection_signed_response_alg',
  'access_token_format',
  'authorization_details_types',
  'serves',
  'security_profile',
  'post_logout_redirect_uris',
  'backchannel_logout_uri',
  'backchannel_logout_session_required',
  'backchannel_token_delivery_mode',
  'backchannel_client_notification_endpoint',
  'tells_unknown_users',
]

/**
 * A client as its metadata describe it.
 * @throws {InvalidRequest} for a grant type that cannot be given, two kinds of keys or certificates, or an
 *   authentication method that is not the one of what it has
 */
export function fromOperator(metadata: OperatorMetadata): NewClient {
  const client: NewClient = {
    name: metadata.client_name,
    type: metadata.client_type,
    role: metadata.client_role,
    redirectUris: metadata.redirect_uris ?? [],
    scope: metadata.scope === undefined ? undefined : splitScope(metadata.scope),
    firstParty: metadata.first_party ?? false,
    grantTypes: metadata.grant_types && givenOf(metadata.grant_types, metadata.client_type),
    keys: keysOf(metadata),
    authentication: metadata.token_endpoint_auth_method === 'private_key_jwt' ? 'private_key_jwt' : undefined,
    certificate: certificateOf(metadata),
    certificateBound: metadata.tls_client_certificate_bound_access_tokens ?? false,
    dpopBound: metadata.dpop_bound_access_tokens ?? false,
    requirePushedAuthorizationRequests: metadata.require_pushed_authorization_requests ?? false,
    requireSignedRequestObject: metadata.require_signed_request_object ?? false,
    introspectionAlg: metadata.introspection_signed_response_alg,
    accessTokenFormat: metadata.access_token_format,
    authorizationDetailsTypes: metadata.authorization_details_types,
    serves: metadata.serves,
    profile: metadata.security_profile,
    postLogoutRedirectUris: metadata.post_logout_redirect_uris,
    backchannelLogoutUri: metadata.backchannel_logout_uri,
    backchannelLogoutSessionRequired: metadata.backchannel_logout_session_required ?? false,
    backchannelTokenDeliveryMode: metadata.backchannel_token_delivery_mode,
    backchannelClientNotificationEndpoint: metadata.backchannel_client_notification_endpoint,
    tellsUnknownUsers: metadata.tells_unknown_users ?? false,
  }
  const asked = metadata.token_endpoint_auth_method?.replace('_post', '_basic')
  if (asked !== undefined && asked !== methodOf(client)) {
    throw new InvalidRequest(`This client authenticates by ${methodOf(client)}, by what it is and has.`)
  }
  return client
}

/** What was said of a client that an operator registered; described by it anew, it is the same. */
export function toOperator({ name, type, role, redirectUris, scope, firstParty, metadata }: Client): OperatorMetadata {
  const { token_endpoint_auth_method: method, jwks, ...rest } = metadata
  const kept = Object.entries({ ...rest, jwks }).filter(([name, value]) => KEPT.includes(name) && value !== undefined)
  const said = {
    client_name: name,
    client_type: type,
    client_role: role,
    redirect_uris: redirectUris,
    scope: scope.join(' '),
    first_party: firstParty,
    grant_types: (metadata.grant_types as string[] | undefined) ?? [],
    ...Object.fromEntries(kept),
  }
  if (method === 'private_key_jwt') return { ...said, token_endpoint_auth_method: method }
  if (method !== 'self_signed_tls_client_auth') return said
  const { jwks: _, ...others } = said as OperatorMetadata
  const [key] = (jwks as { keys: { x5c: string[] }[] }).keys
  const certificate = new X509Certificate(Buffer.from(key?.x5c[0] ?? '', 'base64'))
  return { ...others, tls_client_certificate: certificate.toString() }
}

/** Of the grant types that are named, those that its type has not by itself. */
function givenOf(grantTypes: readonly string[], type: ClientType): string[] {
  const own = type === 'machine' ? ['client_credentials'] : ['authorization_code', 'refresh_token']
  return grantTypes
    .filter((name) => !own.includes(name))
    .map((name) => {
      const given = givenGrantType(name)
      if (given === undefined) throw new InvalidRequest(`A client of this type cannot be given the grant type ${name}.`)
      return given
    })
}

function keysOf({ jwks, jwks_uri: jwksUri }: OperatorMetadata): ClientKeys | undefined {
  if (jwks !== undefined && jwksUri !== undefined) {
    throw new InvalidRequest('Keys are in jwks or at jwks_uri, not both (RFC 7591 2).')
  }
  if (jwks !== undefined) return { jwks }
  return jwksUri === undefined ? undefined : { jwksUri }
}

function certificateOf(metadata: OperatorMetadata): ClientCertificate | undefined {
  const subjects = CERTIFICATE_SUBJECTS.flatMap((subject) => {
    const value = metadata[`tls_client_auth_${subject}`]
    return value === undefined ? [] : [{ subject, value }]
  })
  const own = metadata.tls_client_certificate
  const all = [...subjects, ...(own === undefined ? [] : [{ selfSigned: own }])]
  if (all.length > 1) throw new InvalidRequest('A client is found in its certificate by one member (RFC 8705 2.1.2).')
  return all[0]
}

function methodOf({ type, authentication, certificate, profile }: NewClient): string {
  if (certificate !== undefined) return 'subject' in certificate ? 'tls_client_auth' : 'self_signed_tls_client_auth'
  if (authentication !== undefined || profile !== undefined) return 'private_key_jwt'
  return isConfidential(type) ? 'client_secret_basic' : 'none'
}
