import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { JWK } from 'jose'
import { keysAmong } from '../audit/checkpoint.ts'
import { exportLines, openExport } from '../audit/export.ts'
import { readLog, unlinked } from '../audit/log.ts'
import { pruneLog } from '../audit/prune.ts'
import { type Head, verifyLog } from '../audit/verify.ts'
import { loadSigningKeys } from '../keys/signing-keys.ts'
import { type Command, type CommandContext, requireOption, UsageError } from './command.ts'

export const auditCommands: readonly Command[] = [
  {
    name: 'audit verify',
    usage: '[--file F [--jwks F]] [--head DAY/SEQ/HASH]',
    summary: 'Name the first event that was altered, removed or moved, in the database or in an export; exit 1 if any',
    options: { file: { type: 'string' }, jwks: { type: 'string' }, head: { type: 'string' } },
    runOffline({ file, jwks, head }) {
      if (typeof file === 'string') return verifyFile(file, jwks as string | undefined, headOf(head))
      if (jwks !== undefined) throw new UsageError('--jwks goes with --file')
      return undefined
    },
    async run({ db, options, ...context }) {
      const findKey = keysAmong(await auditKeys({ db, ...context }))
      const known = headOf(options.head)
      const verdict = await verifyLog(readLog(db), { findKey, whole: true, known })
      return { ...verdict, not_yet_linked: await unlinked(db) }
    },
  },
  {
    name: 'audit export',
    usage: '[--since DAY] [--to F]',
    summary: 'Write the events, their checkpoints and the public keys as JSON lines, to verify anywhere',
    options: { since: { type: 'string' }, to: { type: 'string' } },
    async run({ db, options, ...context }) {
      const since = options.since === undefined ? undefined : dayOf(options.since, 'since')
      const lines = Readable.from(exportLines(await auditKeys({ db, ...context }), readLog(db, since)))
      if (typeof options.to !== 'string') return void (await pipeline(lines, process.stdout, { end: false }))
      await pipeline(lines, createWriteStream(options.to, { flags: 'wx', mode: 0o600 }))
      return { exported: options.to }
    },
  },
  {
    name: 'audit keys',
    usage: '',
    summary: 'Print the public keys that sign checkpoints, for an auditor to keep',
    options: {},
    run: async (context) => ({ keys: await auditKeys(context) }),
  },
  {
    name: 'audit prune',
    usage: '--before DAY',
    summary: 'Delete the days before one; export them first',
    options: { before: { type: 'string' } },
    async run(context) {
      const before = dayOf(requireOption(context, 'before'), 'before')
      return { before, deleted: await pruneLog(context.db, before) }
    },
  },
]

async function auditKeys({ db, sealer }: Pick<CommandContext, 'db' | 'sealer'>): Promise<JWK[]> {
  const keys = await loadSigningKeys(db, sealer)
  return keys.filter(({ purpose }) => purpose === 'audit').map(({ publicJwk }) => publicJwk)
}

/** An export holds the keys it was signed with, but whoever forges one puts in their own: an auditor brings theirs. */
async function verifyFile(file: string, jwks: string | undefined, known: Head | undefined): Promise<object> {
  const { keys, log } = await openExport(file)
  const trusted = jwks === undefined ? keys : (JSON.parse(await readFile(jwks, 'utf8')) as { keys: JWK[] }).keys
  const verdict = await verifyLog(log, { findKey: keysAmong(trusted), whole: false, known })
  if (jwks !== undefined) return { ...verdict, keys: 'yours' }
  return { ...verdict, keys: 'of the export itself: it is only known to be of one piece. Give --jwks' }
}

function dayOf(value: unknown, option: string): string {
  const day = String(value)
  const isDay = /^\d{4}-\d\d-\d\d$/.test(day) && !Number.isNaN(Date.parse(day))
  if (!isDay) throw new UsageError(`--${option} is a day such as 2026-01-31`)
  return day
}

function headOf(value: unknown): Head | undefined {
  if (value === undefined) return undefined
  const [, day, seq, hash] = /^(\d{4}-\d\d-\d\d)\/(\d+)\/([\w-]{43})$/.exec(String(value)) ?? []
  if (day === undefined || hash === undefined) throw new UsageError('--head is DAY/SEQ/HASH, as a verification told it')
  return { day, seq: Number(seq), hash }
}
