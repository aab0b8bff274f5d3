import { desc, gte, lt, sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { auditEvents } from '../database/schema.ts'
import { InvalidRequest } from '../errors.ts'
import { OPERATOR, record } from './audit.ts'
import { auditCheckpoints } from './schema.ts'

/**
 * Deletes the days of the log before one, but never the newest, from which the chain goes on; the event that tells of it names the last hash that went, so that
 * verification can tell pruning from tampering.
 * @param before `YYYY-MM-DD`
 * @returns how many events were deleted
 * @throws {InvalidRequest} when the newest day would go
 */
export async function pruneLog(db: Database, before: string): Promise<number> {
  return db.transaction(async (tx) => {
    const [last] = await tx
      .select({ hash: auditEvents.hash })
      .from(auditEvents)
      .where(lt(auditEvents.day, before))
      .orderBy(desc(auditEvents.day), desc(auditEvents.seq))
      .limit(1)
    if (last === undefined) return 0
    const kept = await tx.$count(auditCheckpoints, gte(auditCheckpoints.day, before))
    if (kept === 0) throw new InvalidRequest('The newest day of the audit is not pruned: the chain goes on from it.')
    await tx.execute(sql`select set_config('gatehouse.prune_before', ${before}, true)`)
    const { count } = await tx.delete(auditEvents).where(lt(auditEvents.day, before))
    await tx.delete(auditCheckpoints).where(lt(auditCheckpoints.day, before))
    await record(tx, { type: 'audit.prune', ...OPERATOR, details: { before, hash: last.hash, events: count } })
    return count
  })
}
