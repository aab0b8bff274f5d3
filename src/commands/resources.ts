import { OPERATOR } from '../audit/audit.ts'
import { createResource } from '../resources/resources.ts'
import { splitScope } from '../resources/scopes.ts'
import { type Command, requireChoice, requireOption } from './command.ts'

export const resourceCommands: readonly Command[] = [
  {
    name: 'resources create',
    usage: '--identifier URI --name N --scope "a b" [--format jwt|opaque]',
    summary: 'Register an API of yours, so that access tokens can be issued for it (RFC 8707)',
    options: {
      identifier: { type: 'string' },
      name: { type: 'string' },
      scope: { type: 'string' },
      format: { type: 'string', default: 'jwt' },
    },
    async run(context) {
      const name = requireOption(context, 'name')
      const scopes = splitScope(requireOption(context, 'scope'))
      const input = {
        identifier: requireOption(context, 'identifier'),
        name,
        scopes: Object.fromEntries(scopes.map((scope) => [scope, `${name}: ${scope}`])),
        format: requireChoice(requireOption(context, 'format'), 'format', ['jwt', 'opaque']),
      }
      const resource = await createResource(context.db, context.config.issuer, input, OPERATOR)
      return {
        identifier: resource.identifier,
        name,
        scope: Object.keys(resource.scopes).join(' '),
        format: resource.format,
      }
    },
  },
]
