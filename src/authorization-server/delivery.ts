import type { FastifyBaseLogger } from 'fastify'
import type { Client } from 'oidc-provider'
import type { Database } from '../database/client.ts'
import type { Notice, Outbox } from '../database/outbox.ts'
import { requestEither } from '../http/outgoing.ts'
import type { Engine } from './engine.ts'
import { createRemoteFetch } from './remote-documents.ts'

const INTERVAL_MS = 1_000
/** How long a client may take to answer. */
const TIMEOUT_MS = 5_000

/** A client that answers, but does not take what it is told. */
class Refused extends Error {}

/** A request by POST to a client. */
export interface Post {
  readonly uri: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Tells clients what they are to be told, over and over, in every server process; whichever takes a notice sends it. */
export interface Delivery {
  /** Ends the sending under way; what was not taken yet is sent by another process, or after the next start. */
  close(): Promise<void>
}

/**
 * @param what the notices tell of, for the log
 * @param postOf how a client is told; undefined when it is not to be told any more
 */
export function createDelivery<N extends Notice>(
  { db, engine, log }: { db: Database; engine: () => Engine; log: FastifyBaseLogger },
  what: string,
  outbox: Outbox<N>,
  postOf: (client: Client, notice: N) => Promise<Post | undefined>,
): Delivery {
  const closing = new AbortController()
  const toStrangers = createRemoteFetch()
  // Where a client of the operator's listens is the operator's to say, inside or out.
  const toOwn = createRemoteFetch(() => true, requestEither)
  let working: Promise<void> | undefined

  const send = async (client: Client, { uri, headers, body }: Post) => {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(TIMEOUT_MS)])
    const options = { method: 'POST', headers, body, signal }
    const response = await (client.dynamic === true ? toStrangers : toOwn)(uri, options)
    if (response.status !== 200 && response.status !== 204) throw new Refused(`the client answered ${response.status}`)
  }

  const deliver = async (notice: N) => {
    const client = await engine().provider.Client.find(notice.clientId)
    try {
      const post = client && (await postOf(client, notice))
      if (client !== undefined && post !== undefined) await send(client, post)
    } catch (error) {
      if (closing.signal.aborted) return outbox.giveBack(db, notice, new Date())
      const { message } = error as Error
      log.info({ clientId: notice.clientId, attempts: notice.attempts, reason: message }, `${what} was not taken`)
      // What there is at an address inside is for the log, not for whoever may read the audit (CWE-918).
      return outbox.postpone(
        db,
        notice,
        error instanceof Refused ? message : 'the client cannot be reached',
        new Date(),
      )
    }
    await outbox.settle(db, notice)
  }

  const work = async () => {
    for (;;) {
      const notices = await outbox.take(db, new Date())
      await Promise.all(notices.map(deliver))
      if (notices.length === 0 || closing.signal.aborted) return
    }
  }
  const timer = setInterval(() => {
    working ??= work()
      .catch((error: unknown) => log.warn({ err: error }, `telling clients failed: ${what}`))
      .finally(() => {
        working = undefined
      })
  }, INTERVAL_MS).unref()

  return {
    async close() {
      clearInterval(timer)
      closing.abort()
      await working
    },
  }
}
