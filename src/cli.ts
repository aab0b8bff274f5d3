import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { accountKeyCommands } from './commands/account-keys.ts'
import { accountCommands } from './commands/accounts.ts'
import { auditCommands } from './commands/audit.ts'
import { clientCommands } from './commands/clients.ts'
import { type Command, UsageError } from './commands/command.ts'
import { keyCommands } from './commands/keys.ts'
import { resourceCommands } from './commands/resources.ts'
import { secretCommands } from './commands/secrets.ts'
import { upstreamCommands } from './commands/upstreams.ts'
import { loadConfig, readEnvFile } from './config.ts'
import { joinStorage } from './database/storage.ts'
import { operatorMessage } from './http/logger.ts'
import { loadOrMakeKeyFile } from './secrets/key-file.ts'
import { createSealer } from './secrets/sealed.ts'

const COMMANDS: readonly Command[] = [
  ...accountCommands,
  ...accountKeyCommands,
  ...clientCommands,
  ...keyCommands,
  ...secretCommands,
  ...resourceCommands,
  ...upstreamCommands,
  ...auditCommands,
  {
    name: 'migrate',
    usage: '',
    summary: 'Bring the database up to date',
    options: {},
    run: async () => ({ migrated: true }),
  },
]

try {
  const json = process.argv.includes('--json')
  const answer = await runCommand(process.argv.slice(2).filter((word) => word !== '--json'))
  if (answer !== undefined) process.stdout.write(json ? `${JSON.stringify(answer)}\n` : readable(answer))
  if (answer !== undefined && 'ok' in answer && answer.ok === false) process.exitCode = 1
} catch (error) {
  process.stderr.write(`${operatorMessage(error)}\n${error instanceof UsageError ? help() : ''}`)
  process.exitCode = 1
}

async function runCommand(words: readonly string[]): Promise<object | undefined> {
  if (words.length === 0 || words[0] === 'help' || words.includes('--help'))
    throw new UsageError('Commands of the operator:')
  const command = COMMANDS.find(({ name }) => words.slice(0, name.split(' ').length).join(' ') === name)
  if (command === undefined) throw new UsageError(`There is no command "${words.slice(0, 2).join(' ')}".`)
  const { values, positionals } = parse(command, words.slice(command.name.split(' ').length))
  const offline = command.runOffline?.(values as never)
  if (offline !== undefined) return offline

  readEnvFile()
  const config = loadConfig(process.env)
  const sealer = createSealer(config.secretKeys ?? loadOrMakeKeyFile(config.dataDir))
  const storage = await joinStorage(config)
  try {
    return await command.run({
      config,
      sealer,
      db: storage.db,
      now: new Date(),
      positionals,
      options: values as never,
      readLine,
    })
  } finally {
    await storage.close()
  }
}

function parse(command: Command, words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: command.options, allowPositionals: command.takesArgument === true })
  } catch (error) {
    throw new UsageError(`${command.name}: ${(error as Error).message}`)
  }
}

async function readLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line
  return ''
}

function readable(answer: object): string {
  return `${Object.entries(answer)
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value, null, 2) : value}`)
    .join('\n')}\n`
}

function help(): string {
  return COMMANDS.map(({ name, usage, summary }) => `  ${`${name} ${usage}`.trim()}\n      ${summary}\n`).join('')
}
