import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import * as schema from './schema.ts'

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

/**
 * Opens a pool. Connects on first use, so a database that is away is met by the first query.
 * The embedded database is one session whatever the number of connections, so it gets one.
 */
export function openDatabase(address: Address, options: { max?: number } = {}): OpenDatabase {
  const embedded = 'socket' in address
  const settings = {
    max: embedded ? 1 : (options.max ?? 10),
    connect_timeout: 5,
    backoff: () => 0.25,
    onnotice: () => {},
    connection: { application_name: 'gatehouse', idle_in_transaction_session_timeout: 30_000 },
  }
  const client = embedded
    ? postgres({ ...settings, path: address.socket, username: 'postgres', database: 'postgres' })
    : postgres(address.url, settings)
  return { db: drizzle(client, { schema }), close: () => client.end({ timeout: 5 }) }
}
