import type { Database } from '../../src/database/client.ts'
import type { Statements } from '../processes/serve.ts'

type Unsafe = (text: string, ...rest: unknown[]) => unknown
type Scope = { unsafe: Unsafe }
type Client = Scope & { begin(...args: unknown[]): Promise<unknown> }

const WRITES = /^\s*(insert|update|delete|merge)\b|^\s*with\b[\s\S]*\b(insert into|update|delete from)\b/i
/** Following changes is not the work of a request. */
const OF_THE_FEED = /\bfrom "changes"/

/** Counts what a server sends to its database, in the driver, inside transactions too. */
export function countStatements(db: Database): () => Statements {
  const counts = { queries: 0, writes: 0, transactions: 0 }
  const client = (db as unknown as { $client: Client }).$client

  const count = (scope: Scope) => {
    const unsafe = scope.unsafe
    scope.unsafe = (text, ...rest) => {
      if (!OF_THE_FEED.test(text)) counts.queries += 1
      if (WRITES.test(text)) counts.writes += 1
      return unsafe(text, ...rest)
    }
  }
  count(client)
  const begin = client.begin
  client.begin = (...args) => {
    const work = args.pop() as (scope: Scope) => unknown
    counts.transactions += 1
    return begin(...args, (scope: Scope) => {
      count(scope)
      return work(scope)
    })
  }
  return () => ({ ...counts })
}
