import { eq, type SQL, sql } from 'drizzle-orm'
import { Provider } from 'oidc-provider'
import { record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { providerModels } from '../database/schema.ts'
import { removeGrants } from '../grants/grants.ts'
import { originOfEngine } from './audit-trail.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/**
 * A grant that is there, held until the transaction ends. Whoever writes or ends what is of a grant holds it before
 * anything else of it, so that nobody waits for another who waits for him.
 * @param strength `key share` holds off its end; `update` everybody else who holds it
 */
export function heldGrant(grantId: SQL | string, strength: 'key share' | 'update'): SQL {
  return sql`select 1 from provider_models as held where held.model = 'Grant' and held.grant_id = ${grantId}
    for ${sql.raw(strength)}`
}

/** Holds the grant that a model is of, to end it. */
export async function holdGrantOf(db: Database, model: string, id: string): Promise<void> {
  const grantId = sql`(select grant_id from provider_models where model = ${model} and id = ${id})`
  await db.execute(heldGrant(grantId, 'update'))
}

/**
 * Ends a grant with all that was issued under it. The engine asks model by model, and for the grant last: the first
 * to ask ends all of it, so that no crash leaves a half. It stands though the request is refused, as that of a replay is.
 */
export async function endGrant({ db, keep }: UnitOfWork, grantId: string): Promise<void> {
  const [ended] = await removeGrants(db, eq(providerModels.grantId, grantId), new Date())
  if (ended === undefined) return
  await record(db, {
    type: 'grant.end',
    ...originOfEngine(Provider.ctx),
    subject: ended.accountId === null ? undefined : { kind: 'account', id: ended.accountId },
    clientId: ended.clientId ?? undefined,
    details: { grant: grantId, at: Provider.ctx?.oidc.route },
  })
  keep()
}
