import type { ParseArgsOptionsConfig } from 'node:util'
import type { Config } from '../config.ts'
import type { Database } from '../database/client.ts'
import type { Sealer } from '../secrets/sealed.ts'

/** What a command works with. */
export interface CommandContext {
  readonly config: Config
  readonly db: Database
  readonly sealer: Sealer
  readonly now: Date
  /** What follows the name of the command. */
  readonly positionals: readonly string[]
  readonly options: Readonly<Record<string, string | boolean | string[] | undefined>>
  /** The first line of standard input. */
  readonly readLine: () => Promise<string>
}

/** A command of the operator's. */
export interface Command {
  /** As it is typed, for instance `clients create`. */
  readonly name: string
  /** Its arguments, for the help. */
  readonly usage: string
  readonly summary: string
  readonly options: ParseArgsOptionsConfig
  /** Whether words that are no options may follow its name. */
  readonly takesArgument?: true
  /** Runs it without a database, where the options ask for nothing that needs one. */
  runOffline?(options: CommandContext['options']): Promise<object> | undefined
  /**
   * Runs it; the answer is one object, which `--json` prints as it is. One whose `ok` is false makes the command
   * fail. A command that has written its output itself answers nothing.
   */
  run(context: CommandContext): Promise<object | undefined>
}

/** A command that was typed wrong. */
export class UsageError extends Error {}

/** An option that must be there. */
export function requireOption(context: CommandContext, name: string): string {
  const value = context.options[name]
  if (typeof value !== 'string' || value === '') throw new UsageError(`--${name} is missing`)
  return value
}

/** The values of an option that may be there any number of times. */
export function optionList(context: CommandContext, name: string): string[] {
  const values = context.options[name]
  return Array.isArray(values) ? values : []
}

/** The one argument a command has. */
export function requireArgument(context: CommandContext, name: string): string {
  const [value, ...more] = context.positionals
  if (value === undefined || more.length > 0) throw new UsageError(`give one ${name}`)
  return value
}

/** One of the words an option takes. */
export function requireChoice<const T extends string>(value: string, name: string, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === value)
  if (choice === undefined) throw new UsageError(`--${name} is one of ${choices.join(', ')}`)
  return choice
}
