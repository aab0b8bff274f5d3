import type { Database } from '../database/client.ts'
import { type AuditEvent, record } from './audit.ts'

/** Of one network, and of all, what is written down in a window; the rest is counted. */
const MOST_OF_A_NETWORK = 30
const MOST = 600
const WINDOW_MS = 60_000

/** Writes refusals down, so that a flood of them fills neither the database nor the log of what matters. */
export interface Refusals {
  /** Records a refusal, unless there were too many in this window. Never throws: the refusal stands either way. */
  note(event: Omit<AuditEvent, 'outcome'>): Promise<void>
  /** Writes down how many were left out, one event a network that was written before and one for the rest. */
  close(): Promise<void>
}

export function createRefusals(db: Database, onError: (error: unknown) => void): Refusals {
  let written = new Map<string, number>()
  let leftOut = new Map<string, number>()
  let total = 0

  const write = (event: Omit<AuditEvent, 'outcome'>) => record(db, { ...event, outcome: 'failure' }).catch(onError)

  const endWindow = async () => {
    const counts = leftOut
    written = new Map()
    leftOut = new Map()
    total = 0
    for (const [from, count] of counts) {
      await write({ type: 'refusals.leave_out', from: from || undefined, details: { count } })
    }
  }
  const timer = setInterval(endWindow, WINDOW_MS).unref()

  return {
    async note(event) {
      const { from = '' } = event
      const ofNetwork = written.get(from) ?? 0
      if (ofNetwork >= MOST_OF_A_NETWORK || total >= MOST) {
        // A network that has not been written is counted with all such, so that many cannot fill the memory.
        const counted = ofNetwork === 0 ? '' : from
        leftOut.set(counted, (leftOut.get(counted) ?? 0) + 1)
        return
      }
      written.set(from, ofNetwork + 1)
      total += 1
      await write(event)
    },
    async close() {
      clearInterval(timer)
      await endWindow()
    },
  }
}
