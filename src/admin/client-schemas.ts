import { type TProperties, Type } from 'typebox'

const Text = (maxLength: number, description?: string) =>
  Type.String({ minLength: 1, maxLength, ...(description === undefined ? {} : { description }) })
const Texts = (maxLength: number, maxItems: number, description?: string) =>
  Type.Array(Text(maxLength), { maxItems, uniqueItems: true, ...(description === undefined ? {} : { description }) })
const Uris = Texts(2000, 50)

/** What may be said of a client, in the names of RFC 7591 and its registry; what is not there is ours. */
const MEMBERS = {
  client_role: Type.Enum(['service', 'admin']),
  redirect_uris: Uris,
  scope: Type.String({ maxLength: 4000, description: 'What it may ask for' }),
  first_party: Type.Boolean({ description: 'Ours: people are not asked for consent' }),
  grant_types: Texts(100, 10),
  token_endpoint_auth_method: Text(50, 'That of what it is and has; `private_key_jwt` for one with keys'),
  jwks: Type.Object({ keys: Type.Array(Type.Object({}, { additionalProperties: true }), { maxItems: 20 }) }),
  jwks_uri: Text(2000),
  tls_client_auth_subject_dn: Text(1000),
  tls_client_auth_san_dns: Text(300),
  tls_client_auth_san_uri: Text(1000),
  tls_client_auth_san_ip: Text(100),
  tls_client_auth_san_email: Text(300),
  tls_client_certificate_bound_access_tokens: Type.Boolean(),
  dpop_bound_access_tokens: Type.Boolean(),
  require_pushed_authorization_requests: Type.Boolean(),
  require_signed_request_object: Type.Boolean(),
  introspection_signed_response_alg: Type.Enum(['RS256', 'ES256']),
  access_token_format: Type.Enum(['jwt', 'opaque']),
  authorization_details_types: Texts(100, 50),
  serves: Texts(
    600,
    100,
    'Resources whose tokens it is told of; of all where it is left out, of none where it is empty',
  ),
  security_profile: Type.Enum(['fapi2']),
  post_logout_redirect_uris: Uris,
  backchannel_logout_uri: Text(2000),
  backchannel_logout_session_required: Type.Boolean(),
  backchannel_token_delivery_mode: Type.Enum(['poll', 'ping']),
  backchannel_client_notification_endpoint: Text(2000),
  tells_unknown_users: Type.Boolean({ description: 'Told that an e-mail is of no account (CIBA 13)' }),
}
const TYPE = Type.Enum(['web', 'spa', 'native', 'machine'])
const CERTIFICATE = Text(10_000, 'A certificate of its own, in PEM')

const SAID = { ...MEMBERS, tls_client_certificate: CERTIFICATE }

/** What a client is made of. */
export const NewClient = Type.Object(
  { client_name: Text(200), client_type: TYPE, ...Type.Partial(Type.Object(SAID)).properties },
  { additionalProperties: false },
)

/** What is to be otherwise (RFC 7396): null takes a member away. */
export const ClientChange = Type.Object(
  { client_name: Type.Optional(Text(200)), ...nullable(SAID) },
  { additionalProperties: false },
)

const TOLD = {
  client_id: Type.String(),
  client_id_issued_at: Type.Integer({ description: 'Seconds since 1970' }),
  client_name: Type.String(),
  client_type: TYPE,
  client_role: MEMBERS.client_role,
  redirect_uris: Type.Array(Type.String()),
  scope: Type.String(),
  grant_types: Type.Array(Type.String()),
  response_types: Type.Array(Type.String()),
  token_endpoint_auth_method: Type.String(),
  application_type: Type.String(),
  first_party: Type.Boolean(),
  dynamic: Type.Boolean({ description: 'It registered itself (RFC 7591)' }),
}

/** A client as it is told, with whatever else it has registered. */
export const ClientView = Type.Object(TOLD, { additionalProperties: true })

/** Such a client with a secret that is told this once. */
export const ClientWithSecret = Type.Object(
  {
    ...TOLD,
    client_secret: Type.Optional(Type.String({ description: 'Told this once' })),
    client_secret_expires_at: Type.Optional(Type.Integer({ description: '0: never' })),
  },
  { additionalProperties: true },
)

function nullable(members: TProperties): TProperties {
  return Object.fromEntries(
    Object.entries(members).map(([name, member]) => [name, Type.Optional(Type.Union([member, Type.Null()]))]),
  )
}
