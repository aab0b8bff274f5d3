import { sql } from 'drizzle-orm'
import type { Database } from '../../src/database/client.ts'
import { eventually } from '../../test/fixtures/eventually.ts'
import type { Ask } from './ask.ts'
import type { Actor } from './chain.ts'
import type { Told } from './told.ts'

/** How many credentials are presented at once. */
const AT_ONCE = 16

/** Holds what the clients were told against what the servers do, and against what is in the database. */
export async function audit(actors: readonly Actor[], ask: Ask, db: Database, told: Told): Promise<void> {
  await auditDatabase(db, told)
  await Promise.all(
    actors.map((actor) => actor.settle().catch((error: unknown) => told.violation(`${actor.name}: ${error}`))),
  )
  for (const { purse } of actors) purse.prune()
  const checks = actors.flatMap(({ purse }) => [
    ...purse.good.map((held) => ({ held, wanted: 200 })),
    ...purse.revoked.map((held) => ({ held, wanted: 401 })),
  ])
  const check = async () => {
    for (let next = checks.pop(); next !== undefined; next = checks.pop()) {
      const { held, wanted } = next
      const { headers } = held
      const status = async () => (await ask('/api/me', { headers }))?.status
      // What was revoked at one process another may take for a second.
      const answer = wanted === 200 ? await status() : await eventually(status, (each) => each === 401, 1_000)
      told.counts.checked += 1
      if (answer !== wanted) told.violation(`${held.kind}: ${answer} where ${wanted} is right`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, check))
}

/** What is never true of the database between two transactions. */
const NEVER = {
  'a token without its grant': sql`
    select model, grant_id from provider_models as token where grant_id is not null and model <> 'Grant'
      and not exists (select from provider_models where model = 'Grant' and grant_id = token.grant_id)`,
  'a grant that is gone without a word': sql`
    select details->>'grant' as grant_id from audit_events as given where type = 'grant.give'
      and not exists (select from provider_models where model = 'Grant' and grant_id = given.details->>'grant')
      and not exists (select from audit_events where type = 'grant.end' and details->>'grant' = given.details->>'grant')`,
  'a grant that is over and there': sql`
    select details->>'grant' as grant_id from audit_events as ended where type = 'grant.end'
      and exists (select from provider_models where model = 'Grant' and grant_id = ended.details->>'grant')`,
  'an end that nobody was told of': sql`
    select details->>'grant' as grant_id from audit_events as ended where type = 'grant.end'
      and at > now() - interval '10 minutes'
      and not exists (select from changes where tag = 'grant ' || (ended.details->>'grant'))`,
  'a rotated refresh token without a successor': sql`
    select id, grant_id from provider_models as used where model = 'RefreshToken' and consumed_at is not null
      and not exists (select from provider_models as next where next.model = 'RefreshToken'
        and next.grant_id = used.grant_id and (next.payload->>'rotations')::int = (used.payload->>'rotations')::int + 1)`,
  'a used code without a token': sql`
    select id, grant_id from provider_models as used where model = 'AuthorizationCode' and consumed_at is not null
      and not exists (select from provider_models as next where next.model = 'RefreshToken'
        and next.grant_id = used.grant_id)`,
  'a rotated refresh token of a session without a successor': sql`
    select session_id from first_party_refresh_tokens group by session_id having every(consumed_at is not null)`,
  'a session that is over without a word': sql`
    select id from first_party_sessions as ended where ended_at is not null
      and not exists (select from audit_events where type = 'session.end' and details->>'session' = ended.id::text)`,
}

async function auditDatabase(db: Database, told: Told): Promise<void> {
  for (const [what, query] of Object.entries(NEVER)) {
    const rows = await db.execute(query)
    if (rows.length > 0) told.violation(`${what}: ${rows.length}, such as ${JSON.stringify(rows[0])}`)
  }
}
