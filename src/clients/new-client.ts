import { InvalidRequest } from '../errors.ts'
import type { AccessTokenFormat } from '../resources/resources.ts'
import type { BackchannelMetadata } from './backchannel.ts'
import { type ClientCertificate, certificateMetadata } from './certificates.ts'
import { type ClientKeys, keyMetadata, requireClientKeys } from './client-keys.ts'
import type { LogoutMetadata } from './logout.ts'
import { profileMetadata, type SecurityProfile } from './security-profile.ts'

export type ClientType = 'web' | 'spa' | 'native' | 'machine'

export const CLIENT_ROLES = ['service', 'admin'] as const
export type ClientRole = (typeof CLIENT_ROLES)[number]

/** What an operator says of a client. */
export interface NewClient extends LogoutMetadata, BackchannelMetadata {
  readonly name: string
  readonly type: ClientType
  /** What it may do on its own behalf; undefined is `service`. */
  readonly role?: ClientRole | undefined
  readonly redirectUris: readonly string[]
  /** What it may ask for; undefined takes the default of its type. */
  readonly scope?: readonly string[] | undefined
  /** Ours: people are not asked for consent. */
  readonly firstParty?: boolean
  /** Of its access tokens, whatever their resource; undefined leaves it to the resource. */
  readonly accessTokenFormat?: AccessTokenFormat | undefined
  /** Its authorization requests must be pushed (RFC 9126 6). */
  readonly requirePushedAuthorizationRequests?: boolean
  /** What it may use besides the grant types of its type; undefined takes the default of that. */
  readonly grantTypes?: readonly string[] | undefined
  /** The identifiers of the resources it is a server of: it sees what is meant for them, and may exchange it. */
  readonly serves?: readonly string[] | undefined
  /** Signs what it is told of tokens, when it asks for that (RFC 9701 6); undefined takes RS256. */
  readonly introspectionAlg?: 'RS256' | 'ES256' | undefined
  /** Gets access tokens that are bound to a key by DPoP, and no others (RFC 9449 5.2). */
  readonly dpopBound?: boolean
  /** Its authorization requests must be signed by one of its keys (RFC 9101 10.5). */
  readonly requireSignedRequestObject?: boolean
  /** What it signs with. */
  readonly keys?: ClientKeys | undefined
  /** The types of authorization details that it may ask for (RFC 9396 10). */
  readonly authorizationDetailsTypes?: readonly string[] | undefined
  /** How it authenticates, where that is not by a secret. */
  readonly authentication?: 'private_key_jwt' | undefined
  /** What it is held to in all that it does. */
  readonly profile?: SecurityProfile | undefined
  /** By what it authenticates, in place of a secret. */
  readonly certificate?: ClientCertificate | undefined
  /** Gets access tokens that are bound to its certificate, and no others (RFC 8705 3.4). */
  readonly certificateBound?: boolean
}

/** Whether a client of this type can keep a secret (RFC 6749 2.1). */
export const isConfidential = (type: ClientType) => type === 'web' || type === 'machine'

/**
 * Holds a new client to what it authenticates and signs with.
 * @throws {InvalidRequest} for keys or a certificate that will not do, of who keeps none, or the lack of them
 */
export async function requireProofs(client: NewClient): Promise<void> {
  requireKeysFor(client)
  if (client.keys !== undefined) await requireClientKeys(client.keys)
  requireCertificateFor(client)
}

function requireKeysFor({ type, keys, certificate, authentication, requireSignedRequestObject }: NewClient): void {
  if (authentication !== undefined && !isConfidential(type)) {
    throw new InvalidRequest('A client that cannot keep a secret cannot keep a key to authenticate with.')
  }
  const hasKey = keys !== undefined || (certificate !== undefined && 'selfSigned' in certificate)
  if (!hasKey && (authentication !== undefined || requireSignedRequestObject)) {
    throw new InvalidRequest('A client that signs has keys.')
  }
}

/** @throws {InvalidRequest} for a certificate of who keeps no key, or beside another way; or for two ways to be bound */
function requireCertificateFor({ type, keys, authentication, certificate, ...bound }: NewClient): void {
  if (certificate !== undefined && (!isConfidential(type) || authentication !== undefined || keys !== undefined)) {
    throw new InvalidRequest(
      'A client that authenticates by a certificate keeps its key, and has no other ways or keys.',
    )
  }
  if (bound.dpopBound && bound.certificateBound) {
    throw new InvalidRequest('Tokens are bound by DPoP or to a certificate.')
  }
}

/** What has no column, in wire spelling. */
export function metadataOf(client: NewClient): Record<string, unknown> {
  const { accessTokenFormat, grantTypes, serves, introspectionAlg } = client
  return {
    ...(accessTokenFormat === undefined ? {} : { access_token_format: accessTokenFormat }),
    ...(grantTypes?.length ? { grant_types: grantTypes } : {}),
    ...(serves === undefined ? {} : { serves }),
    ...(client.certificate === undefined ? {} : certificateMetadata(client.certificate)),
    ...(client.certificateBound ? { tls_client_certificate_bound_access_tokens: true } : {}),
    ...(client.dpopBound ? { dpop_bound_access_tokens: true } : {}),
    ...(client.requirePushedAuthorizationRequests ? { require_pushed_authorization_requests: true } : {}),
    ...(client.requireSignedRequestObject ? { require_signed_request_object: true } : {}),
    ...(client.authorizationDetailsTypes?.length
      ? { authorization_details_types: client.authorizationDetailsTypes }
      : {}),
    ...(client.keys === undefined ? {} : keyMetadata(client.keys)),
    ...(client.authentication === undefined ? {} : { token_endpoint_auth_method: client.authentication }),
    ...(client.profile === undefined ? {} : profileMetadata(client.profile)),
    ...(introspectionAlg === undefined ? {} : { introspection_signed_response_alg: introspectionAlg }),
  }
}
