import { readFileSync } from 'node:fs'
import { OPERATOR } from '../audit/audit.ts'
import type { BackchannelMetadata } from '../clients/backchannel.ts'
import type { ClientCertificate } from '../clients/certificates.ts'
import type { ClientKeys } from '../clients/client-keys.ts'
import { setClientRole } from '../clients/client-role.ts'
import { type Client, createClient, deleteClient, listClients, rotateClientSecret } from '../clients/clients.ts'
import { givenGrantType } from '../clients/grant-types.ts'
import {
  DEFAULT_DAYS,
  DEFAULT_REGISTRATIONS,
  issueInitialAccessToken,
  MOST_DAYS,
  MOST_REGISTRATIONS,
} from '../clients/initial-access-tokens.ts'
import { toMetadata } from '../clients/metadata.ts'
import { CLIENT_ROLES } from '../clients/new-client.ts'
import { requireResource } from '../resources/resources.ts'
import { splitScope } from '../resources/scopes.ts'
import {
  type Command,
  type CommandContext,
  optionList,
  requireArgument,
  requireChoice,
  requireOption,
  UsageError,
} from './command.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const PAGE = 500

export const clientCommands: readonly Command[] = [
  {
    name: 'clients create',
    usage:
      '--name N --type web|spa|native|machine [--role service|admin] [--redirect-uri U]... [--scope "a b"] [--first-party] [--access-token-format jwt|opaque] [--require-pushed-requests] [--require-signed-requests] [--jwks FILE|--jwks-uri U] [--auth-method private_key_jwt] [--dpop-bound] [--profile fapi2] [--authorization-details-type T]... [--grant-type token-exchange|jwt-bearer|device_code|ciba]... [--backchannel-token-delivery-mode poll|ping] [--backchannel-client-notification-endpoint U] [--tell-unknown-users] [--serves URI]... [--introspection-alg RS256|ES256] [--certificate FILE | --certificate-subject subject_dn|san_dns|san_uri|san_ip|san_email=VALUE] [--certificate-bound] [--post-logout-redirect-uri U]... [--backchannel-logout-uri U [--backchannel-logout-session-required]]',
    summary: 'Register a client; its secret, when it has one, is shown this once',
    options: {
      name: { type: 'string' },
      type: { type: 'string' },
      role: { type: 'string', default: 'service' },
      'redirect-uri': { type: 'string', multiple: true },
      scope: { type: 'string' },
      'first-party': { type: 'boolean' },
      'access-token-format': { type: 'string' },
      'require-pushed-requests': { type: 'boolean' },
      'require-signed-requests': { type: 'boolean' },
      jwks: { type: 'string' },
      'jwks-uri': { type: 'string' },
      'auth-method': { type: 'string' },
      profile: { type: 'string' },
      'authorization-details-type': { type: 'string', multiple: true },
      'grant-type': { type: 'string', multiple: true },
      serves: { type: 'string', multiple: true },
      'introspection-alg': { type: 'string' },
      'dpop-bound': { type: 'boolean' },
      'post-logout-redirect-uri': { type: 'string', multiple: true },
      'backchannel-logout-uri': { type: 'string' },
      'backchannel-logout-session-required': { type: 'boolean' },
      'backchannel-token-delivery-mode': { type: 'string' },
      'backchannel-client-notification-endpoint': { type: 'string' },
      'tell-unknown-users': { type: 'boolean' },
      certificate: { type: 'string' },
      'certificate-subject': { type: 'string' },
      'certificate-bound': { type: 'boolean' },
    },
    async run(context) {
      const {
        scope,
        'access-token-format': format,
        'auth-method': method,
        profile,
        'introspection-alg': alg,
      } = context.options
      const serves = optionList(context, 'serves')
      for (const uri of serves) await requireResource(context.db, context.config.issuer, uri)
      const backchannel = context.options['backchannel-logout-uri']
      const input = {
        name: requireOption(context, 'name'),
        type: requireChoice(requireOption(context, 'type'), 'type', ['web', 'spa', 'native', 'machine']),
        role: requireChoice(requireOption(context, 'role'), 'role', CLIENT_ROLES),
        redirectUris: optionList(context, 'redirect-uri'),
        scope: typeof scope === 'string' ? splitScope(scope) : undefined,
        firstParty: context.options['first-party'] === true,
        accessTokenFormat:
          typeof format === 'string' ? requireChoice(format, 'access-token-format', ['jwt', 'opaque']) : undefined,
        requirePushedAuthorizationRequests: context.options['require-pushed-requests'] === true,
        authorizationDetailsTypes: optionList(context, 'authorization-details-type'),
        grantTypes:
          context.options['grant-type'] === undefined
            ? undefined
            : optionList(context, 'grant-type').map(requireGrantType),
        introspectionAlg:
          typeof alg === 'string' ? requireChoice(alg, 'introspection-alg', ['RS256', 'ES256']) : undefined,
        serves: serves.length === 0 ? undefined : serves,
        postLogoutRedirectUris: optionList(context, 'post-logout-redirect-uri'),
        backchannelLogoutUri: typeof backchannel === 'string' ? backchannel : undefined,
        backchannelLogoutSessionRequired: context.options['backchannel-logout-session-required'] === true,
        ...readBackchannel(context),
        dpopBound: context.options['dpop-bound'] === true,
        requireSignedRequestObject: context.options['require-signed-requests'] === true,
        keys: readKeys(context.options),
        profile: profile === undefined ? undefined : requireChoice(String(profile), 'profile', ['fapi2']),
        authentication:
          method === undefined ? undefined : requireChoice(String(method), 'auth-method', ['private_key_jwt']),
        certificate: readCertificate(context),
        certificateBound: context.options['certificate-bound'] === true,
      }
      const { client, secret } = await createClient(context.db, input, OPERATOR)
      return { client_id: client.id, ...(secret === undefined ? {} : { client_secret: secret }) }
    },
  },
  {
    name: 'clients list',
    usage: '',
    summary: 'List the clients',
    options: {},
    async run({ db }) {
      const clients: object[] = []
      for (let page = await listClients(db, PAGE); page.length > 0; page = await listClients(db, PAGE, page.at(-1))) {
        clients.push(...page.map(listed))
      }
      return { clients }
    },
  },
  {
    name: 'clients rotate-secret',
    usage: 'ID',
    summary: 'Give a client a new secret; the old one ends within a second',
    options: {},
    takesArgument: true,
    async run(context) {
      const id = requireArgument(context, 'client identifier')
      return { client_id: id, client_secret: await rotateClientSecret(context.db, id, context.now, OPERATOR) }
    },
  },
  {
    name: 'clients set-role',
    usage: 'ID --role service|admin',
    summary: 'Make a machine client an administrator, or take that away; felt within a second',
    options: { role: { type: 'string' } },
    takesArgument: true,
    async run(context) {
      const id = requireArgument(context, 'client identifier')
      const role = requireChoice(requireOption(context, 'role'), 'role', CLIENT_ROLES)
      await setClientRole(context.db, id, role, context.now, OPERATOR)
      return { client_id: id, role }
    },
  },
  {
    name: 'clients delete',
    usage: 'ID',
    summary: 'Delete a client with all its grants and tokens',
    options: {},
    takesArgument: true,
    async run(context) {
      const id = requireArgument(context, 'client identifier')
      await deleteClient(context.db, id, context.now, OPERATOR)
      return { client_id: id, deleted: true }
    },
  },
  {
    name: 'clients registration-token',
    usage: '[--days N] [--clients N]',
    summary: 'Issue an initial access token, with which clients register themselves (RFC 7591)',
    options: {
      days: { type: 'string', default: String(DEFAULT_DAYS) },
      clients: { type: 'string', default: String(DEFAULT_REGISTRATIONS) },
    },
    async run(context) {
      const days = Number(requireOption(context, 'days'))
      if (!Number.isInteger(days) || days < 1 || days > MOST_DAYS)
        throw new UsageError(`--days is a number from 1 to ${MOST_DAYS}`)
      const most = Number(requireOption(context, 'clients'))
      if (!Number.isInteger(most) || most < 1 || most > MOST_REGISTRATIONS)
        throw new UsageError(`--clients is a number from 1 to ${MOST_REGISTRATIONS}`)
      const expiresAt = new Date(context.now.getTime() + days * DAY_MS)
      const token = await issueInitialAccessToken(context.db, expiresAt, context.now, OPERATOR, most)
      return { initial_access_token: token, expires_at: expiresAt.toISOString(), clients: most }
    },
  },
]

function readKeys({ jwks, 'jwks-uri': uri }: CommandContext['options']): ClientKeys | undefined {
  if (jwks !== undefined && uri !== undefined) throw new UsageError('give --jwks or --jwks-uri, not both')
  if (typeof uri === 'string') return { jwksUri: uri }
  if (typeof jwks !== 'string') return undefined
  try {
    return { jwks: JSON.parse(readFileSync(jwks, 'utf8')) }
  } catch {
    throw new UsageError(`--jwks ${jwks} is no file that holds a JWK Set`)
  }
}

function readBackchannel({ options }: CommandContext): BackchannelMetadata {
  const mode = options['backchannel-token-delivery-mode']
  const endpoint = options['backchannel-client-notification-endpoint']
  return {
    backchannelTokenDeliveryMode:
      typeof mode === 'string' ? requireChoice(mode, 'backchannel-token-delivery-mode', ['poll', 'ping']) : undefined,
    backchannelClientNotificationEndpoint: typeof endpoint === 'string' ? endpoint : undefined,
    tellsUnknownUsers: options['tell-unknown-users'] === true,
  }
}

function requireGrantType(name: string): string {
  const type = givenGrantType(name)
  if (type === undefined) throw new UsageError(`--grant-type ${name}: there is none to give, besides those of the type`)
  return type
}

function readCertificate({ options }: CommandContext): ClientCertificate | undefined {
  const { certificate: path, 'certificate-subject': named } = options
  if (typeof path === 'string' && typeof named === 'string')
    throw new UsageError('--certificate and --certificate-subject are two ways; take one')
  if (typeof path === 'string') return { selfSigned: readFileSync(path, 'utf8') }
  if (typeof named !== 'string') return undefined
  const [subject = '', ...value] = named.split('=')
  return { subject, value: value.join('=') }
}

function listed(client: Client) {
  const { id, name, type, role, redirectUris, scope, firstParty, dynamic, metadata, createdAt } = client
  return {
    client_id: id,
    name,
    type,
    role,
    redirect_uris: redirectUris,
    scope: scope.join(' '),
    first_party: firstParty,
    dynamic,
    access_token_format: metadata.access_token_format ?? null,
    require_pushed_authorization_requests: metadata.require_pushed_authorization_requests ?? false,
    grant_types: toMetadata(client).grant_types,
    serves: metadata.serves ?? null,
    dpop_bound_access_tokens: metadata.dpop_bound_access_tokens === true,
    authorization_details_types: metadata.authorization_details_types ?? [],
    profile: metadata.security_profile ?? null,
    require_signed_request_object: metadata.require_signed_request_object ?? false,
    created_at: createdAt.toISOString(),
  }
}
