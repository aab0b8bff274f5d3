import type { Database } from './client.ts'

/**
 * A statement that is built and prepared once for each pool, and again in each transaction.
 * @param build makes the prepared query; its placeholders are filled on `execute`
 */
export function statement<Query>(build: (db: Database) => Query): (db: Database) => Query {
  const built = new WeakMap<Database, Query>()
  return (db) => {
    let query = built.get(db)
    if (query === undefined) {
      query = build(db)
      built.set(db, query)
    }
    return query
  }
}
