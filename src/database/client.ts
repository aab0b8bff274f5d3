import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type { Sql } from 'postgres'
import { type Connection, openConnection, type Query } from './connection.ts'
import { createPool } from './pool.ts'
import * as schema from './schema.ts'
import { inSavepoint, inTransaction } from './transaction.ts'

type Pool = PostgresJsDatabase<typeof schema>
type Transaction = Parameters<Parameters<Pool['transaction']>[0]>[0]

/** What a rule runs its SQL on: the pool, or a transaction of it. */
export type Database = Pool | Transaction

/** Where a database is: a URL, or the Unix socket of the embedded one. */
export type Address = { readonly url: string } | { readonly socket: string }

export interface OpenDatabase {
  readonly db: Database
  /** Ends the pool after the queries under way, 5 seconds at most. */
  close(): Promise<void>
}

/** A statement that takes longer is ended by the server, which is alive; what it held up goes on. */
const STATEMENT_MS = 4_000
/** A connection without an answer for this long reaches no server, or one that is frozen. */
const ANSWER_MS = 5_000
/** How long a request waits for a connection while transactions have all of them. */
const WAIT_MS = 5_000

/**
 * Opens a pool. Connects on first use, so a database that is away is met by the first query.
 * The embedded database is one session whatever the number of connections, so it gets one.
 * @param options.patient waits as long as it takes, as a migration does
 */
export function openDatabase(
  address: Address,
  { max = 10, patient = false }: { max?: number; patient?: boolean } = {},
): OpenDatabase {
  const embedded = 'socket' in address
  const waits = !patient && !embedded
  const where = embedded ? { path: address.socket, username: 'postgres', database: 'postgres' } : {}
  const options = {
    ...where,
    answerMs: waits ? ANSWER_MS : undefined,
    connect_timeout: 5,
    onnotice: () => {},
    connection: {
      application_name: 'gatehouse',
      idle_in_transaction_session_timeout: 30_000,
      ...(waits ? { statement_timeout: STATEMENT_MS } : {}),
    },
  }
  const types = { parsers: {}, serializers: {} }
  const pool = createPool(() => openConnection(embedded ? undefined : address.url, options, types), {
    max: embedded ? 1 : max,
    waitMs: waits ? WAIT_MS : undefined,
  })
  const client = {
    options: types,
    unsafe: runner((query) => {
      const run = (connection: Connection) => connection.run(query)
      return query.text.startsWith('select') ? pool.share(run) : pool.reserve(run)
    }),
    begin: <T>(work: (transaction: object) => Promise<T>) =>
      pool.reserve((connection) => {
        const { transaction, end } = transactionOn(connection)
        return inTransaction(connection, () => work(transaction).finally(end))
      }),
  }
  return { db: drizzle(client as unknown as Sql, { schema }), close: pool.close }
}

/**
 * The part of the driver's interface that Drizzle uses in a transaction. Work that failed may leave behind what still
 * sends queries: once the transaction ends they are refused, since the connection is another's.
 */
function transactionOn(connection: Connection) {
  let savepoints = 0
  let isOver = false
  const transaction = {
    unsafe: runner((query) => {
      if (isOver) return Promise.reject(new Error('the transaction of this query is over'))
      return connection.run(query)
    }),
    savepoint: <T>(work: (inner: object) => Promise<T>) =>
      inSavepoint(connection, `s${++savepoints}`, () => work(transaction)),
  }
  const end = () => {
    isOver = true
  }
  return { transaction, end }
}

/**
 * Runs a query when it is awaited, its rows as objects or as lists of values, as the driver's `unsafe` does,
 * but prepared once a connection: without, the driver asks the server for the types of the parameters first,
 * each time, which is another round trip.
 */
function runner(run: (query: Query) => ReturnType<Connection['run']>) {
  return (text: string, parameters?: Query['parameters'], options?: Query['options']) => {
    const prepare = parameters !== undefined && parameters.length > 0
    const query: Query = { text, parameters, options: { prepare, ...options } }
    return {
      then: (...tell: Parameters<ReturnType<Connection['run']>['then']>) => run(query).then(...tell),
      values: () => run({ ...query, asValues: true }),
    }
  }
}
