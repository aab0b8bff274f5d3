import { type AccountKey, addAccountKey, listAccountKeys, removeAccountKey } from '../account-keys/account-keys.ts'
import { requireAccount } from '../accounts/accounts.ts'
import { OPERATOR } from '../audit/audit.ts'
import { type Command, requireArgument, requireOption, UsageError } from './command.ts'

export const accountKeyCommands: readonly Command[] = [
  {
    name: 'accounts keys add',
    usage: 'ID --jwk JSON',
    takesArgument: true,
    summary: 'Give a service account a public key, by which it gets access tokens (RFC 7523)',
    options: { jwk: { type: 'string' } },
    async run(context) {
      const id = requireArgument(context, 'account identifier')
      const jwk = parseJwk(requireOption(context, 'jwk'))
      return told(await addAccountKey(context.db, id, jwk, context.now, OPERATOR))
    },
  },
  {
    name: 'accounts keys list',
    usage: 'ID',
    takesArgument: true,
    summary: 'List the keys of a service account',
    options: {},
    async run(context) {
      const id = requireArgument(context, 'account identifier')
      await requireAccount(context.db, id)
      return { keys: (await listAccountKeys(context.db, id)).map(told) }
    },
  },
  {
    name: 'accounts keys remove',
    usage: 'ID --kid K',
    takesArgument: true,
    summary: 'Remove a key of a service account; the tokens that it got end within a second',
    options: { kid: { type: 'string' } },
    async run(context) {
      const id = requireArgument(context, 'account identifier')
      const kid = requireOption(context, 'kid')
      await removeAccountKey(context.db, id, kid, context.now, OPERATOR)
      return { id, kid, removed: true }
    },
  },
]

function parseJwk(text: string): Record<string, unknown> {
  try {
    const jwk: unknown = JSON.parse(text)
    if (typeof jwk === 'object' && jwk !== null && !Array.isArray(jwk)) return jwk as Record<string, unknown>
  } catch {}
  throw new UsageError('--jwk is a public key as a JSON object (RFC 7517)')
}

const told = ({ accountId, kid, publicJwk, createdAt }: AccountKey) => ({
  id: accountId,
  kid,
  kty: publicJwk.kty,
  alg: publicJwk.alg ?? null,
  created_at: createdAt.toISOString(),
})
