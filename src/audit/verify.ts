import { GENESIS, link } from './chain.ts'
import { type Checkpoint, type FindKey, openCheckpoint } from './checkpoint.ts'
import type { Entry } from './log.ts'

/** A place in the log with the hash of the event there, by which a later state of the log can be held to it. */
export interface Head {
  readonly day: string
  readonly seq: number
  readonly hash: string
}

/** The first thing that is not as it was linked. */
export interface Problem {
  readonly day: string
  readonly seq: number
  /** `removed`: it is not there. `altered`: it, or its place, is another. `unsigned`: nobody of ours linked it. */
  readonly kind: 'removed' | 'altered' | 'unsigned' | 'forged checkpoint'
  readonly text: string
}

export interface Verdict {
  readonly ok: boolean
  readonly events: number
  readonly checkpoints: number
  readonly head: Head | undefined
  /** The hash the first event is linked to, when it is not the first of all. */
  readonly begins_after: string | undefined
  /** The longest an event waited to be linked: until then it could be changed without a trace. */
  readonly longest_wait_seconds: number
  readonly problem: Problem | undefined
}

export interface VerifyOptions {
  readonly findKey: FindKey
  /** Whether the log must begin with the first event of all, or where the operator pruned it. */
  readonly whole: boolean
  /** Where the log was at some earlier time. */
  readonly known?: Head | undefined
}

class Found extends Error {
  readonly problem: Problem

  constructor(day: string, seq: number, kind: Problem['kind'], text: string) {
    super(text)
    this.problem = { day, seq, kind, text }
  }
}

/** Verifies a log from its beginning to the first problem, holding no more of it than one entry. */
export async function verifyLog(log: AsyncIterable<Entry>, options: VerifyOptions): Promise<Verdict> {
  const { findKey, whole, known } = options
  let at: Head = { day: '', seq: 0, hash: GENESIS }
  let open: Checkpoint | undefined
  let begins: Checkpoint | undefined
  let events = 0
  let checkpoints = 0
  let longestWait = 0
  let knownIsThere = known === undefined
  const prunedUpTo = new Set<unknown>([GENESIS])

  const requireFinished = () => {
    if (open === undefined || at.seq === open.last) return
    throw new Found(at.day, at.seq + 1, 'removed', `the checkpoint goes on to ${open.last}`)
  }

  const turnTo = (next: Checkpoint) => {
    requireFinished()
    const follows = begins === undefined || (next.before === at.hash && next.day >= at.day)
    const expected = next.day === at.day ? at.seq + 1 : 1
    if (!follows || next.first !== expected || !(next.last >= next.first)) {
      const gap = next.day > at.day || next.first > expected
      if (gap) throw new Found(at.day || next.day, at.seq + 1, 'removed', 'with its checkpoint, and maybe more')
      throw new Found(next.day, next.first, 'forged checkpoint', 'it does not go on from the one before')
    }
    begins ??= next
    if (begins === next) at = { ...at, hash: next.before }
    knownIsThere ||= known?.hash === at.hash
    at = { day: next.day, seq: next.first - 1, hash: at.hash }
    open = next
    checkpoints += 1
  }

  const pass = ({ event, hash }: Extract<Entry, { event: unknown }>) => {
    const { day, seq } = event
    if (open === undefined || (at.seq === open.last && (day !== at.day || seq === at.seq + 1))) {
      throw new Found(day, seq, 'unsigned', 'no checkpoint covers it')
    }
    if (day !== at.day || seq !== at.seq + 1) {
      throw new Found(at.day, at.seq + 1, at.seq < open.last ? 'removed' : 'unsigned', `${day}/${seq} comes instead`)
    }
    if (link(at.hash, event) !== hash) {
      throw new Found(day, seq, 'altered', 'it is not what was linked here: changed, or moved from another place')
    }
    if (seq === open.last && hash !== open.hash) {
      const text = `one of ${open.first} to ${open.last} was changed, and those after it linked anew`
      throw new Found(day, open.first, 'altered', text)
    }
    at = { day, seq, hash }
    events += 1
    longestWait = Math.max(longestWait, Date.parse(open.at) - Date.parse(event.at))
    if (known !== undefined && known.day === day && known.seq === seq) {
      if (known.hash !== hash) throw new Found(day, seq, 'altered', 'it was another at the known head')
      knownIsThere = true
    }
    if (event.type === 'audit.prune') prunedUpTo.add((event.details as { hash?: unknown } | undefined)?.hash)
  }

  const verdict = (problem?: Problem): Verdict => ({
    ok: problem === undefined,
    events,
    checkpoints,
    head: events === 0 ? undefined : at,
    begins_after: begins?.before || undefined,
    longest_wait_seconds: Math.ceil(longestWait / 1000),
    problem,
  })

  try {
    for await (const entry of log) {
      if ('event' in entry) pass(entry)
      else turnTo(await opened(entry.checkpoint, at, findKey))
    }
    requireFinished()
    if (!knownIsThere && known !== undefined) {
      throw new Found(known.day, known.seq, 'removed', 'the known head is not in the log')
    }
    if (whole && begins !== undefined && !prunedUpTo.has(begins.before)) {
      throw new Found(begins.day, begins.first, 'removed', 'what came before is gone, and no audit.prune tells of it')
    }
    return verdict()
  } catch (error) {
    if (error instanceof Found) return verdict(error.problem)
    throw error
  }
}

async function opened(jws: string, { day, seq }: Head, findKey: FindKey): Promise<Checkpoint> {
  try {
    return await openCheckpoint(jws, findKey)
  } catch (error) {
    throw new Found(day, seq + 1, 'forged checkpoint', (error as Error).message)
  }
}
