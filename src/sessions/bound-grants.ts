import { and, eq, isNull, sql } from 'drizzle-orm'
import type { Origin } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { payloadWith } from '../database/payload.ts'
import { firstPartySessions, providerModels } from '../database/schema.ts'
import { PublicError } from '../errors.ts'
import { endGrants } from '../grants/grants.ts'

/**
 * Has a grant last no longer than a session, in a transaction: that of a request which no single sign-on knows of,
 * because it was answered at a page of ours.
 * @throws {PublicError} 400 when the session has ended meanwhile
 */
export async function bindGrant(tx: Database, grantId: string, sessionId: string): Promise<void> {
  const isLive = and(eq(firstPartySessions.id, sessionId), isNull(firstPartySessions.endedAt))
  const [held] = await tx.select({ id: firstPartySessions.id }).from(firstPartySessions).where(isLive).for('share')
  if (held === undefined)
    throw new PublicError(400, 'session_over', 'You have signed out since. Sign in and start again.')
  await tx
    .update(providerModels)
    .set({ payload: payloadWith({ boundTo: sessionId }) })
    .where(and(eq(providerModels.model, 'Grant'), eq(providerModels.grantId, grantId)))
}

/** Ends the grants that were to last no longer than these sessions, which have ended. */
export async function endBoundGrants(
  tx: Database,
  ended: readonly { readonly id: string; readonly accountId: string }[],
  now: Date,
  origin: Origin,
): Promise<void> {
  if (ended.length === 0) return
  const sessions = JSON.stringify(ended.map(({ id, accountId }) => ({ id, accountId })))
  const bound = await tx
    .select({ grantId: providerModels.grantId, accountId: providerModels.accountId })
    .from(providerModels)
    .innerJoin(
      sql`json_to_recordset(${sessions}::json) as ended (id text, "accountId" text)`,
      sql`${providerModels.accountId} = ended."accountId" and ${providerModels.payload} ->> 'boundTo' = ended.id`,
    )
    .where(eq(providerModels.model, 'Grant'))
  for (const { grantId, accountId } of bound) await endGrants(tx, accountId ?? '', [grantId ?? ''], now, origin)
}
