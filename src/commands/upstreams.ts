import { OPERATOR } from '../audit/audit.ts'
import {
  createUpstream,
  deleteUpstream,
  listUpstreams,
  requireUsable,
  type Upstream,
  updateUpstream,
  upstreamRedirectUri,
} from '../upstreams/upstreams.ts'
import { type Command, type CommandContext, requireArgument, requireOption, UsageError } from './command.ts'

export const upstreamCommands: readonly Command[] = [
  {
    name: 'upstreams create',
    usage: '--id I --name N --issuer U --client-id C --client-secret-stdin',
    summary: 'Let people sign in at an OpenID Connect provider, where ISSUER/upstreams/I/callback is our redirect URI',
    options: {
      id: { type: 'string' },
      name: { type: 'string' },
      issuer: { type: 'string' },
      'client-id': { type: 'string' },
      'client-secret-stdin': { type: 'boolean' },
    },
    async run(context) {
      const { db, sealer, options, readLine } = context
      const input = {
        id: requireOption(context, 'id'),
        name: requireOption(context, 'name'),
        issuer: requireOption(context, 'issuer'),
        clientId: requireOption(context, 'client-id'),
      }
      if (options['client-secret-stdin'] !== true)
        throw new UsageError('--client-secret-stdin is missing: a secret is never an argument')
      const clientSecret = await readLine()
      // Here alone: no other command waits for the library to load.
      const { discover } = await import('../upstreams/discovery.ts')
      await requireUsable({ ...input, clientSecret }, (upstream) => discover(upstream))
      return shown(await createUpstream(db, sealer, { ...input, clientSecret }, OPERATOR), context)
    },
  },
  {
    name: 'upstreams update',
    usage: 'ID [--name N] [--client-id C] [--client-secret-stdin]',
    takesArgument: true,
    summary: 'Change what people read of a provider, or the client that we are there',
    options: {
      name: { type: 'string' },
      'client-id': { type: 'string' },
      'client-secret-stdin': { type: 'boolean' },
    },
    async run(context) {
      const { db, sealer, options, readLine } = context
      const change = {
        ...(typeof options.name === 'string' && { name: options.name }),
        ...(typeof options['client-id'] === 'string' && { clientId: options['client-id'] }),
        ...(options['client-secret-stdin'] === true && { clientSecret: await readLine() }),
      }
      if (Object.keys(change).length === 0) throw new UsageError('say what is to change')
      const id = requireArgument(context, 'identifier of an upstream')
      return shown(await updateUpstream(db, sealer, id, change, OPERATOR), context)
    },
  },
  {
    name: 'upstreams list',
    usage: '',
    summary: 'List the providers at which people sign in',
    options: {},
    async run(context) {
      return { upstreams: (await listUpstreams(context.db)).map((upstream) => shown(upstream, context)) }
    },
  },
  {
    name: 'upstreams delete',
    usage: 'ID',
    takesArgument: true,
    summary:
      'Let nobody sign in there any more and end the sessions that came of it; whose account is whose there is kept, for when it is created again',
    options: {},
    async run(context) {
      const id = requireArgument(context, 'identifier of an upstream')
      await deleteUpstream(context.db, id, new Date(), OPERATOR)
      return { id, deleted: true }
    },
  },
]

function shown({ id, name, issuer, clientId }: Upstream, { config }: CommandContext) {
  return { id, name, issuer, client_id: clientId, redirect_uri: upstreamRedirectUri(config.issuer, id) }
}
