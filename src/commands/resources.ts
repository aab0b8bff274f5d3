import { OPERATOR } from '../audit/audit.ts'
import { type NamedScope, scopesOf } from '../resources/definition.ts'
import type { DetailsTypeDefinition } from '../resources/details-types.ts'
import {
  createResource,
  deleteResource,
  findResource,
  listResources,
  placeOf,
  type Resource,
  type ResourceDefinition,
  updateResource,
} from '../resources/resources.ts'
import {
  type Command,
  type CommandContext,
  optionList,
  requireArgument,
  requireChoice,
  requireOption,
  UsageError,
} from './command.ts'

const PAGE = 500

const DEFINITION_USAGE =
  '[--scope-sentence "SCOPE=Sentence"]... [--format jwt|opaque] [--access-token-lifetime SECONDS] ' +
  '[--signing-alg ES256|RS256] [--authorization-details-type "TYPE(field,optional?)=Sentence"]...'

const DEFINITION = {
  name: { type: 'string' },
  scope: { type: 'string' },
  'scope-sentence': { type: 'string', multiple: true },
  format: { type: 'string' },
  'access-token-lifetime': { type: 'string' },
  'signing-alg': { type: 'string' },
  'authorization-details-type': { type: 'string', multiple: true },
} as const

export const resourceCommands: readonly Command[] = [
  {
    name: 'resources create',
    usage: `--identifier URI --name N --scope "a b" ${DEFINITION_USAGE}`,
    summary: 'Register an API of yours, so that access tokens can be issued for it (RFC 8707)',
    options: { identifier: { type: 'string' }, ...DEFINITION },
    async run(context) {
      const name = requireOption(context, 'name')
      requireOption(context, 'scope')
      const definition = readDefinition(context, name, {})
      const input = {
        format: 'jwt' as const,
        scopes: {},
        ...definition,
        identifier: requireOption(context, 'identifier'),
        name,
      }
      return described(await createResource(context.db, context.config.issuer, input, OPERATOR))
    },
  },
  {
    name: 'resources list',
    usage: '',
    summary: 'List the APIs that are registered, besides the built-in one',
    options: {},
    async run({ db }) {
      const resources: object[] = []
      let page = await listResources(db, PAGE)
      for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
        resources.push(...page.map(described))
        page = await listResources(db, PAGE, placeOf(last))
      }
      return { resources }
    },
  },
  {
    name: 'resources update',
    usage: `URI [--name N] [--scope "a b"] ${DEFINITION_USAGE}`,
    summary:
      'Change an API of yours. --scope names all its scopes, those that stay with them; one that is left out is not ' +
      'honoured any more, within a second',
    options: DEFINITION,
    takesArgument: true,
    async run(context) {
      const identifier = requireArgument(context, 'resource identifier')
      const { db, config, options } = context
      const before = await findResource(db, config.issuer, identifier)
      const changes = readDefinition(context, options.name ?? before?.name, before?.scopes ?? {})
      if (Object.keys(changes).length === 0) throw new UsageError('say what to change')
      return described(await updateResource(db, identifier, changes, OPERATOR))
    },
  },
  {
    name: 'resources delete',
    usage: 'URI',
    summary: 'Delete an API of yours; tokens for it are refused within a second',
    options: {},
    takesArgument: true,
    async run(context) {
      const identifier = requireArgument(context, 'resource identifier')
      await deleteResource(context.db, identifier, OPERATOR)
      return { identifier, deleted: true }
    },
  },
]

/** What the options say of a resource; sentences that they do not say stay what they are. */
function readDefinition(
  context: CommandContext,
  name: unknown,
  before: Readonly<Record<string, string>>,
): Partial<ResourceDefinition> {
  const { scope, format, 'access-token-lifetime': lifetime, 'signing-alg': alg } = context.options
  const sentences = scopesOf(optionList(context, 'scope-sentence').map(readSentence))
  const names = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : Object.keys(before)
  const stray = Object.keys(sentences).find((named) => !names.includes(named))
  if (stray !== undefined) throw new UsageError(`--scope-sentence ${stray}: there is no such scope`)
  const own = (of: Readonly<Record<string, string>>, named: string) =>
    Object.hasOwn(of, named) ? of[named] : undefined
  const named = names.map((scope) => ({
    scope,
    sentence: own(sentences, scope) ?? own(before, scope) ?? `${name}: ${scope}`,
  }))
  const types = optionList(context, 'authorization-details-type').map(readDetailsType)
  return {
    ...(typeof context.options.name === 'string' ? { name: context.options.name } : {}),
    ...(scope !== undefined || Object.keys(sentences).length > 0 ? { scopes: scopesOf(named) } : {}),
    ...(typeof format === 'string' ? { format: requireChoice(format, 'format', ['jwt', 'opaque']) } : {}),
    ...(typeof lifetime === 'string' ? { accessTokenLifetime: readSeconds(lifetime) } : {}),
    ...(typeof alg === 'string' ? { signingAlg: requireChoice(alg, 'signing-alg', ['ES256', 'RS256']) } : {}),
    ...(types.length > 0 ? { authorizationDetailsTypes: Object.fromEntries(types) } : {}),
  }
}

function readSeconds(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError('--access-token-lifetime is a number of seconds')
  return Number(text)
}

/** For instance `read=See your invoices`; a scope itself may hold `=`. */
function readSentence(text: string): NamedScope {
  const [, scope = '', sentence = ''] = /^([^ ]+)=([^=]+)$/.exec(text) ?? []
  if (scope === '') throw new UsageError('--scope-sentence is "SCOPE=Sentence"')
  return { scope, sentence }
}

function described(resource: Resource) {
  const { identifier, name, scopes, format, accessTokenLifetime, signingAlg, authorizationDetailsTypes } = resource
  return {
    identifier,
    name,
    scope: Object.keys(scopes).join(' '),
    sentences: scopes,
    format,
    access_token_lifetime: accessTokenLifetime,
    signing_alg: signingAlg,
    authorization_details_types: Object.keys(authorizationDetailsTypes),
  }
}

/** For instance `payment(amount,creditor,note?)=Pay from your account`. */
function readDetailsType(text: string): [string, DetailsTypeDefinition] {
  const [, name = '', fields, sentence = ''] = /^([^(=]+)(?:\(([^)]*)\))?=(.+)$/.exec(text) ?? []
  if (name === '') throw new UsageError('--authorization-details-type is TYPE(field,optional?)=Sentence')
  const all = (fields ?? '').split(',').filter(Boolean)
  const optional = all.filter((field) => field.endsWith('?'))
  return [
    name,
    {
      sentence,
      required: all.filter((field) => !optional.includes(field)),
      optional: optional.map((field) => field.slice(0, -1)),
    },
  ]
}
