import type { Client, ClientType } from './clients.ts'

/** RFC 8693. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** RFC 7523 2.1. */
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

/** RFC 8628: a device without a browser asks, a person answers in one elsewhere. */
export const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'

/** OpenID Connect CIBA Core 1.0: a client names a person, who answers in a browser of his own. */
export const CIBA = 'urn:openid:params:grant-type:ciba'

/** The grant types that no type of client has by itself: the operator gives them to clients that authenticate. */
export const GIVEN_GRANT_TYPES: ReadonlySet<string> = new Set([TOKEN_EXCHANGE, JWT_BEARER, CIBA])

/** Those by which a client asks a person that it has no browser of: it needs no redirect URI. */
const ANSWERED_APART: ReadonlySet<string> = new Set([DEVICE_CODE, CIBA])

/** By what the operator calls them, besides their URNs. */
const NAMED = new Map(
  [...GIVEN_GRANT_TYPES, ...ANSWERED_APART].flatMap((urn) => [
    [urn, urn],
    [urn.slice(urn.lastIndexOf(':') + 1), urn],
  ]),
)

/** The grant type that the operator names, by its URN or the end of it; undefined when it cannot be given. */
export const givenGrantType = (name: string): string | undefined => NAMED.get(name)

/** Of some grant types, those by which a client asks a person that it has no browser of. */
export const answeredApart = (grantTypes: readonly string[]) => grantTypes.filter((type) => ANSWERED_APART.has(type))

/** What a client of a type is given when nothing else is said. */
export const defaultGrantTypes = (type: ClientType): readonly string[] => (type === 'native' ? [DEVICE_CODE] : [])

/** What a client may ask for at the token endpoint (RFC 7591 2 `grant_types`). */
export function grantTypesOf({ type, redirectUris, metadata }: Client): string[] {
  const given = (metadata.grant_types as string[] | undefined) ?? []
  if (type === 'machine') return ['client_credentials', ...given]
  return [...(redirectUris.length > 0 ? ['authorization_code'] : []), 'refresh_token', ...given]
}
