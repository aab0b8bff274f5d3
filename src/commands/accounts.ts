import { createAccount, ROLES, requireAccount } from '../accounts/accounts.ts'
import { setDisabled, setRole } from '../accounts/change-account.ts'
import { OPERATOR } from '../audit/audit.ts'
import { signOutEverywhere } from '../sessions/sign-out-everywhere.ts'
import {
  type Command,
  type CommandContext,
  requireArgument,
  requireChoice,
  requireOption,
  UsageError,
} from './command.ts'

export const accountCommands: readonly Command[] = [
  {
    name: 'accounts create',
    usage: '--email E [--name N] [--role user|admin|service] --password-stdin',
    summary: 'Make an account; its password is the first line of standard input',
    options: {
      email: { type: 'string' },
      name: { type: 'string' },
      role: { type: 'string', default: 'user' },
      'password-stdin': { type: 'boolean' },
    },
    async run(context) {
      const email = requireOption(context, 'email')
      const role = requireChoice(requireOption(context, 'role'), 'role', ROLES)
      if (context.options['password-stdin'] !== true)
        throw new UsageError('--password-stdin is missing: a password is never an argument')
      const password = await context.readLine()
      const name = typeof context.options.name === 'string' ? context.options.name : undefined
      const host = new URL(context.config.issuer).hostname
      const account = await createAccount(context.db, { email, password, name, role, host }, OPERATOR)
      return { id: account.id, email: account.email, role: account.role }
    },
  },
  {
    name: 'accounts set-role',
    usage: 'ID --role user|admin|service',
    takesArgument: true,
    summary: 'Give an account another role; its credentials can do more or less within a second',
    options: { role: { type: 'string' } },
    async run(context) {
      const id = requireArgument(context, 'account identifier')
      const role = requireChoice(requireOption(context, 'role'), 'role', ROLES)
      await setRole(context.db, id, role, context.now, OPERATOR)
      return { id, role }
    },
  },
  {
    name: 'accounts disable',
    usage: 'ID',
    takesArgument: true,
    summary: 'Refuse an account and all it ever got: sign-in, sessions, tokens, keys',
    options: {},
    run: (context) => changeDisabled(context, true),
  },
  {
    name: 'accounts enable',
    usage: 'ID',
    takesArgument: true,
    summary: 'Let a disabled account in again',
    options: {},
    run: (context) => changeDisabled(context, false),
  },
  {
    name: 'accounts sign-out',
    usage: 'ID | --all',
    takesArgument: true,
    summary: 'Sign an account, or every account, out wherever it is signed in; keys and offline access stay',
    options: { all: { type: 'boolean' } },
    async run(context) {
      const { db, now, options } = context
      if (options.all === true) {
        if (context.positionals.length > 0) throw new UsageError('give an account identifier or --all')
        return { sessions: await signOutEverywhere(db, undefined, now, OPERATOR) }
      }
      const id = requireArgument(context, 'account identifier, or --all')
      await requireAccount(db, id)
      return { id, sessions: await signOutEverywhere(db, id, now, OPERATOR) }
    },
  },
]

async function changeDisabled(context: CommandContext, disabled: boolean): Promise<object> {
  const id = requireArgument(context, 'account identifier')
  await setDisabled(context.db, id, disabled, context.now, OPERATOR)
  return { id, disabled }
}
