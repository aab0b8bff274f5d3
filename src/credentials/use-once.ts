import { sql } from 'drizzle-orm'
import { createBatch } from '../database/batch.ts'
import type { Database } from '../database/client.ts'
import { digest } from '../secrets/opaque-token.ts'

/** The `jti` of an assertion or a proof, which whoever comes first uses up (RFC 7523 3, RFC 9449 11.1). */
export interface Identifier {
  /** Whose identifiers it is one of: a client, or a key. */
  readonly owner: string
  readonly jti: string
  /** From when on what has it is refused anyway. */
  readonly until: Date
}

/** Uses an identifier up, for all processes; false when it was used before. */
export type UseOnce = (identifier: Identifier) => Promise<boolean>

interface Row {
  readonly id: string
  readonly expiresAt: Date
  isFirst: boolean
}

/**
 * At once, and whatever becomes of the request, so that nobody who can make one fail uses its proof again. Those of
 * many requests are used up by one statement.
 */
export function createUseOnce(db: Database): UseOnce {
  const batch = createBatch<Row>((rows) => insertNew(db, rows))
  return async (identifier) => {
    const row = rowOf(identifier)
    await batch.write(row)
    return row.isFirst
  }
}

/** Uses an identifier up in a transaction, with which it stands or falls. */
export async function useOnceIn(transaction: Database, identifier: Identifier): Promise<boolean> {
  const row = rowOf(identifier)
  await insertNew(transaction, [row])
  return row.isFirst
}

function rowOf({ owner, jti, until }: Identifier): Row {
  return { id: digest(JSON.stringify([owner, jti])), expiresAt: until, isFirst: false }
}

/** In one order everywhere, so that no two statements wait for each other. */
async function insertNew(db: Database, rows: readonly Row[]): Promise<void> {
  const inserted = await db.execute<{ id: string }>(sql`
    insert into provider_models (model, id, payload, expires_at)
    select 'ReplayDetection', id, '{}'::json, "expiresAt" from json_to_recordset(${JSON.stringify(rows)}::json)
      as rows (id text, "expiresAt" timestamptz)
    order by id
    on conflict do nothing returning id`)
  const fresh = new Set(inserted.map(({ id }) => id))
  for (const row of rows) row.isFirst = fresh.delete(row.id)
}
