import { setTimeout as delay } from 'node:timers/promises'
import type { Told } from './told.ts'

/** An answer that tells what was done. */
export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, string>>
}

/** Sends a request; undefined when there was no answer, or one that says to try again: then nobody knows what was done. */
export type Ask = (path: string, init?: RequestInit) => Promise<Answer | undefined>

/** Nobody is kept waiting for longer. */
const LONGEST_MS = 20_000

export function createAsk(url: string, told: Told): Ask {
  return async (path, init) => {
    const send = async () => {
      const signal = AbortSignal.timeout(LONGEST_MS)
      const response = await fetch(new URL(path, url), { redirect: 'manual', signal, ...init })
      return { status: response.status, headers: response.headers, text: await response.text() }
    }
    const answer = await answered(`${init?.method ?? 'GET'} ${path}`, send, told)
    if (answer === undefined) return undefined
    const isJson = answer.headers.get('content-type')?.includes('json')
    return { status: answer.status, body: isJson ? JSON.parse(answer.text) : {} }
  }
}

/** What a request was answered, unless it was not, or told to try again; what is no right answer is noted. */
export async function answered<T extends { readonly status: number; readonly headers: Headers }>(
  what: string,
  send: () => Promise<T>,
  told: Told,
): Promise<T | undefined> {
  told.counts.requests += 1
  const sentAt = performance.now()
  const answer = await send().catch(() => undefined)
  if (answer === undefined) {
    if (performance.now() - sentAt >= LONGEST_MS) told.violation(`${what}: kept waiting`)
    told.counts.unanswered += 1
    // Whoever has no answer waits a moment before the next try.
    await delay(50 + 100 * Math.random())
    return undefined
  }
  if (answer.status < 500) return answer
  told.counts.unavailable += 1
  told.unavailableAt = performance.now()
  const isRight = told.mayBeUnavailable(sentAt) && answer.status === 503 && answer.headers.has('retry-after')
  if (!isRight) told.violation(`${what}: ${answer.status}`)
  return undefined
}

export const json = (body: object, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
})
