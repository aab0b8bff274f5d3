import { createReadStream } from 'node:fs'
import type { JWK } from 'jose'
import { canonical } from './chain.ts'
import type { Entry } from './log.ts'

/** An export: one JSON object a line in canonical form; first the public keys, then the log in its order. */
export async function* exportLines(keys: readonly JWK[], log: AsyncIterable<Entry>): AsyncGenerator<string> {
  yield `${canonical({ keys })}\n`
  for await (const entry of log) yield `${canonical(entry)}\n`
}

/** A log that was exported to a file. */
export interface ExportedLog {
  readonly keys: readonly JWK[]
  readonly log: AsyncGenerator<Entry>
}

/**
 * Opens an export.
 * @throws when the file cannot be read or its first line is no set of keys; while reading, at a line that is none of ours
 */
export async function openExport(path: string): Promise<ExportedLog> {
  const lines = readLines(path)
  const first = await lines.next()
  const { keys } = (first.done ? {} : first.value) as { keys?: JWK[] }
  if (!Array.isArray(keys)) throw new Error(`${path} is no export of the audit`)
  return { keys, log: lines as AsyncGenerator<Entry> }
}

async function* readLines(path: string): AsyncGenerator<object> {
  let number = 0
  let rest = ''
  for await (const part of createReadStream(path, 'utf8') as AsyncIterable<string>) {
    const lines = (rest + part).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield parse(line, `${path}:${++number}`)
  }
  if (rest !== '') throw new Error(`${path}:${number + 1} is cut short`)
}

function parse(line: string, where: string): object {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new Error(`${where} is no JSON`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || canonical(value) !== line || !isOurs(value)) {
    throw new Error(`${where} is not as it was exported`)
  }
  return value
}

function isOurs(line: { event?: unknown; hash?: unknown; checkpoint?: unknown; keys?: unknown }): boolean {
  const { event, hash, checkpoint, keys } = line
  if (event === undefined) return typeof checkpoint === 'string' || Array.isArray(keys)
  const { day, seq } = (event ?? {}) as { day?: unknown; seq?: unknown }
  return typeof day === 'string' && typeof seq === 'number' && typeof hash === 'string'
}
