import { Socket } from 'node:net'
import postgres, { type ParameterOrJSON, type Row, type RowList, type UnsafeQueryOptions } from 'postgres'

/** A query as Drizzle hands it to the driver. */
export interface Query {
  readonly text: string
  readonly parameters?: ParameterOrJSON<never>[]
  readonly options?: UnsafeQueryOptions
  /** Rows as lists of values, not as objects. */
  readonly asValues?: boolean
}

/** One connection, from its opening to its end: never opened again, so that no query of a lost transaction runs on another. */
export interface Connection {
  /** @throws when the server refuses, or the connection is lost before it has answered */
  run(query: Query): Promise<RowList<Row[]>>
  /** How many queries are not answered yet. */
  readonly load: number
  readonly isLost: boolean
  readonly openedAt: number
  /** Ends it after the queries under way, 5 seconds at most. */
  close(): Promise<void>
}

export interface ConnectionOptions extends Omit<postgres.Options<Record<string, postgres.PostgresType>>, 'socket'> {
  /** How long an answer may take, in milliseconds. After that the connection is lost: whom it reaches does not answer. */
  readonly answerMs?: number | undefined
}

type Parsed = Pick<postgres.ParsedOptions, 'host' | 'port' | 'path' | 'parsers' | 'serializers'>

/**
 * A connection by a driver's pool of one. The driver would open it again by itself, but does not know what was
 * under way: it writes to a socket that is gone, and what follows of a transaction would run outside of it
 * (porsager/postgres#1208, #1216). Nor does it end a query that is never answered.
 * @param types how Drizzle wants values parsed and serialized
 */
export function openConnection(
  url: string | undefined,
  { answerMs, ...options }: ConnectionOptions,
  types: Pick<Parsed, 'parsers' | 'serializers'>,
): Connection {
  const waiting = new Set<(error: Error) => void>()
  let lost: Error | undefined
  let socket: Socket | undefined
  let attempts = 0

  const lose = (error: Error) => {
    if (lost !== undefined) return
    lost = error
    socket?.destroy()
    client.end({ timeout: 0 }).catch(() => {})
    for (const refuse of waiting) refuse(error)
  }
  /** Asked for anew when an attempt failed: then the next host of the URL is tried, if there is one. */
  const openSocket = ({ host, port, path }: Parsed) => {
    const index = attempts++
    if (lost !== undefined || index >= Math.max(1, host.length)) {
      lose(lost ?? failure('CONNECTION_CLOSED', 'no connection to the database'))
      throw lost
    }
    socket = new Socket()
    if (path) return socket.connect(path)
    const name = host[index] ?? ''
    return Object.assign(socket.connect(port[index] ?? 5432, name), { host: name })
  }
  const settings = {
    ...options,
    max: 1,
    max_lifetime: null,
    // Drizzle parses arrays; and that query of the driver's own, when it fails, is caught by nobody.
    fetch_types: false,
    socket: openSocket as never,
    onclose: () => lose(failure('CONNECTION_CLOSED', 'the connection to the database is lost')),
  }
  const client = url === undefined ? postgres(settings) : postgres(url, settings)
  Object.assign(client.options.parsers, types.parsers)
  Object.assign(client.options.serializers, types.serializers)

  return {
    run({ text, parameters, options, asValues }) {
      return new Promise((resolve, reject) => {
        if (lost !== undefined) return reject(lost)
        const overdue = () => lose(failure('ETIMEDOUT', 'the database does not answer'))
        const timer = answerMs === undefined ? undefined : setTimeout(overdue, answerMs)
        const settle =
          <T>(tell: (value: T) => void) =>
          (value: T) => {
            clearTimeout(timer)
            waiting.delete(refuse)
            tell(value)
          }
        const refuse = settle(reject)
        waiting.add(refuse)
        const query = client.unsafe(text, parameters, options)
        const answered: PromiseLike<unknown> = asValues ? query.values() : query
        answered.then(
          settle((rows) => resolve(rows as RowList<Row[]>)),
          refuse,
        )
      })
    },
    get load() {
      return waiting.size
    },
    get isLost() {
      return lost !== undefined
    },
    openedAt: performance.now(),
    close: () => client.end({ timeout: 5 }),
  }
}

/** An error of which `isDatabaseUnavailable` knows. */
export function failure(code: 'CONNECTION_CLOSED' | 'CONNECTION_ENDED' | 'ETIMEDOUT', message: string): Error {
  return Object.assign(new Error(message), { code })
}
