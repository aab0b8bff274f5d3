import { OPERATOR } from '../audit/audit.ts'
import { type Client, createClient, deleteClient, listClients, rotateClientSecret } from '../clients/clients.ts'
import { issueInitialAccessToken } from '../clients/initial-access-tokens.ts'
import { splitScope } from '../resources/scopes.ts'
import { type Command, requireArgument, requireChoice, requireOption, UsageError } from './command.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const PAGE = 500

export const clientCommands: readonly Command[] = [
  {
    name: 'clients create',
    usage:
      '--name N --type web|spa|native|machine [--redirect-uri U]... [--scope "a b"] [--first-party] [--access-token-format jwt|opaque]',
    summary: 'Register a client; its secret, when it has one, is shown this once',
    options: {
      name: { type: 'string' },
      type: { type: 'string' },
      'redirect-uri': { type: 'string', multiple: true },
      scope: { type: 'string' },
      'first-party': { type: 'boolean' },
      'access-token-format': { type: 'string' },
    },
    async run(context) {
      const { scope, 'access-token-format': format } = context.options
      const redirectUris = context.options['redirect-uri']
      const input = {
        name: requireOption(context, 'name'),
        type: requireChoice(requireOption(context, 'type'), 'type', ['web', 'spa', 'native', 'machine']),
        redirectUris: Array.isArray(redirectUris) ? redirectUris : [],
        scope: typeof scope === 'string' ? splitScope(scope) : undefined,
        firstParty: context.options['first-party'] === true,
        accessTokenFormat:
          typeof format === 'string' ? requireChoice(format, 'access-token-format', ['jwt', 'opaque']) : undefined,
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
    usage: '[--days N]',
    summary: 'Issue an initial access token, with which clients register themselves (RFC 7591)',
    options: { days: { type: 'string', default: '7' } },
    async run(context) {
      const days = Number(requireOption(context, 'days'))
      if (!Number.isInteger(days) || days < 1 || days > 365) throw new UsageError('--days is a number from 1 to 365')
      const expiresAt = new Date(context.now.getTime() + days * DAY_MS)
      const token = await issueInitialAccessToken(context.db, expiresAt, context.now, OPERATOR)
      return { initial_access_token: token, expires_at: expiresAt.toISOString() }
    },
  },
]

function listed({ id, name, type, redirectUris, scope, firstParty, dynamic, metadata, createdAt }: Client) {
  return {
    client_id: id,
    name,
    type,
    redirect_uris: redirectUris,
    scope: scope.join(' '),
    first_party: firstParty,
    dynamic,
    access_token_format: metadata.access_token_format ?? null,
    created_at: createdAt.toISOString(),
  }
}
