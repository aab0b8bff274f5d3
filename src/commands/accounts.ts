import { createAccount, ROLES, setDisabled, setRole } from '../accounts/accounts.ts'
import { OPERATOR } from '../audit/audit.ts'
import { PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH } from '../secrets/password.ts'
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
      if (password.length < PASSWORD_MIN_LENGTH || password.length > PASSWORD_MAX_LENGTH) {
        throw new UsageError(`a password has ${PASSWORD_MIN_LENGTH} to ${PASSWORD_MAX_LENGTH} characters`)
      }
      const name = typeof context.options.name === 'string' ? context.options.name : undefined
      const account = await createAccount(context.db, { email, password, name, role }, OPERATOR)
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
]

async function changeDisabled(context: CommandContext, disabled: boolean): Promise<object> {
  const id = requireArgument(context, 'account identifier')
  await setDisabled(context.db, id, disabled, context.now, OPERATOR)
  return { id, disabled }
}
