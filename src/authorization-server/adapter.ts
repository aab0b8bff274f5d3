import { and, eq, isNull, sql } from 'drizzle-orm'
import { type Adapter, type AdapterPayload, errors, Provider } from 'oidc-provider'
import { record } from '../audit/audit.ts'
import { createBatch } from '../database/batch.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { providerModels, revokedTokens } from '../database/schema.ts'
import { statement } from '../database/statement.ts'
import { digest } from '../secrets/opaque-token.ts'
import { wasUnderWay } from '../secrets/single-use.ts'
import { originOfEngine, ownerOf } from './audit-trail.ts'
import { endGrant, heldGrant, holdGrantOf } from './end-grant.ts'
import type { RefreshRetries } from './refresh-retries.ts'
import { fromStored, toStored } from './stored-payload.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/** Models that die with their grant; nothing of the kind is stored once the grant is gone. */
const OF_A_GRANT = new Set([
  'AccessToken',
  'AuthorizationCode',
  'RefreshToken',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
])

/** Models whose rows go only because somebody revokes them. */
const IS_REVOKED = new Set(['AccessToken', 'ClientCredentials', 'RefreshToken'])

const IS_ACCESS_TOKEN = new Set(['AccessToken', 'ClientCredentials'])

const byId = statement((db) =>
  db
    .select({ payload: providerModels.payload, consumedAt: providerModels.consumedAt })
    .from(providerModels)
    .where(and(eq(providerModels.model, sql.placeholder('model')), eq(providerModels.id, sql.placeholder('id'))))
    .prepare('find_provider_model'),
)

/**
 * Stores one model of oidc-provider in `provider_models`.
 * @param retries of refresh tokens; for no other model
 */
export function createModelAdapter(model: string, work: UnitOfWork, retries?: RefreshRetries): Adapter {
  const machineTokens =
    model === 'ClientCredentials' ? createBatch<Row>((rows) => insertAll(work.pool, rows)) : undefined
  const grantOf = heldGrant(sql`${providerModels.grantId}`, 'key share')
  const key = (id: string) => and(eq(providerModels.model, model), eq(providerModels.id, digest(id)))

  return {
    async upsert(id, payload, expiresIn) {
      if (retries?.isGivenAgain(id)) return
      const row = rowOf(model, id, payload, expiresIn)
      if (machineTokens !== undefined) return machineTokens.write(row)
      if (OF_A_GRANT.has(model) && row.grantId !== null)
        return insertUnderGrant(work.db, { ...row, grantId: row.grantId })
      const { model: _, id: __, ...changes } = row
      await work.db
        .insert(providerModels)
        .values(row)
        .onConflictDoUpdate({ target: [providerModels.model, providerModels.id], set: changes })
    },

    async find(id) {
      const [row] = await byId(work.db).execute({ model, id: digest(id) })
      if (row === undefined) return undefined
      if (row.consumedAt !== null && (await retries?.isRetry(id))) return fromStored(id, row.payload)
      if (row.consumedAt !== null && work.arrivedAt !== undefined && wasUnderWay(work.arrivedAt, row.consumedAt)) {
        throw new errors.InvalidGrant('consumed by a request that was under way at the same time')
      }
      const payload = fromStored(id, row.payload)
      return row.consumedAt === null ? payload : { ...payload, consumed: epoch(row.consumedAt) }
    },

    findByUid: (uid) => findBy(work.db, model, eq(providerModels.uid, uid)),

    findByUserCode: (userCode) => findBy(work.db, model, eq(providerModels.userCode, userCode)),

    /**
     * One conditional UPDATE: of two concurrent redemptions one wins, the other gets `invalid_grant` (RFC 6749 4.1.2),
     * or of a refresh token what the first one got.
     */
    async consume(id) {
      await work.begin()
      const consumed = await work.db
        .update(providerModels)
        .set({ consumedAt: new Date() })
        .where(and(key(id), isNull(providerModels.consumedAt), sql`exists (${grantOf})`))
        .returning({ id: providerModels.id })
      if (consumed.length > 0) return
      // It has locked what it has not consumed, and whoever comes next would wait until this request is done.
      if (work.db !== work.pool) await work.db.execute(sql`rollback and chain`)
      if (await retries?.isRetry(id)) return
      throw new errors.InvalidGrant('consumed by another request, or its grant is over')
    },

    /** A refresh token is destroyed because it was revoked, or is a copy: its grant ends with it. */
    destroy: (id) =>
      work.atOnce(async () => {
        const { db } = work
        if (model === 'Grant') return endGrant(work, id)
        if (model === 'RefreshToken') await holdGrantOf(db, model, digest(id))
        const [destroyed] = await db.delete(providerModels).where(key(id)).returning({
          accountId: providerModels.accountId,
          clientId: providerModels.clientId,
          grantId: providerModels.grantId,
          expiresAt: providerModels.expiresAt,
        })
        if (IS_ACCESS_TOKEN.has(model)) await rememberRevoked(db, digest(id), destroyed?.expiresAt)
        if (destroyed === undefined || !IS_REVOKED.has(model)) return
        await record(db, {
          type: 'token.revoke',
          ...originOfEngine(Provider.ctx),
          subject: ownerOf(destroyed),
          clientId: destroyed.clientId ?? undefined,
          details: { model, token: digest(id) },
        })
        if (model === 'RefreshToken' && destroyed.grantId !== null) await endGrant(work, destroyed.grantId)
      }),

    revokeByGrantId: (grantId) => work.atOnce(() => endGrant(work, grantId)),
  }
}

/** What was exchanged for a token asks whether it was revoked by its name, when its row is gone. */
async function rememberRevoked(db: Database, tokenId: string, expiresAt: Date | null | undefined): Promise<void> {
  if (expiresAt) await db.insert(revokedTokens).values({ tokenId, expiresAt }).onConflictDoNothing()
  await announce(db, [`token ${tokenId}`], new Date())
}

type Row = typeof providerModels.$inferInsert & { grantId: string | null }

/** A model of the engine as it is stored. */
export function rowOf(model: string, id: string, payload: AdapterPayload, expiresIn: number | undefined): Row {
  return {
    model,
    id: digest(id),
    payload: toStored(id, payload),
    grantId: model === 'Grant' ? id : OF_A_GRANT.has(model) ? (payload.grantId ?? null) : null,
    uid: model === 'Session' ? (payload.uid ?? null) : null,
    userCode: payload.userCode ?? null,
    accountId: payload.accountId ?? null,
    clientId: payload.clientId ?? null,
    expiresAt: expiresIn ? new Date(Date.now() + expiresIn * 1000) : null,
  }
}

/** A grant that was revoked while its tokens were being made gets none: checked in the statement that stores them. */
async function insertUnderGrant(db: Database, row: Row & { grantId: string }): Promise<void> {
  const stored = await db.execute(sql`
    insert into provider_models (model, id, payload, grant_id, user_code, account_id, client_id, expires_at)
    select ${row.model}::text, ${row.id}::text, ${JSON.stringify(row.payload)}::json, ${row.grantId}::text,
           ${row.userCode ?? null}::text, ${row.accountId ?? null}::text, ${row.clientId ?? null}::text,
           ${row.expiresAt?.toISOString() ?? null}::timestamptz
    from (${heldGrant(row.grantId, 'key share')}) as live
    on conflict (model, id) do update set payload = excluded.payload, expires_at = excluded.expires_at
    returning id`)
  if (stored.length === 0) throw new errors.InvalidGrant('the grant is gone')
}

/** A machine's tokens depend on nothing else that their requests write, so those of many requests are stored at once. */
async function insertAll(db: Database, rows: readonly Row[]): Promise<void> {
  await db.execute(sql`
    insert into provider_models (model, id, payload, client_id, expires_at)
    select model, id, payload, "clientId", "expiresAt" from json_to_recordset(${JSON.stringify(rows)}::json)
      as rows (model text, id text, payload json, "clientId" text, "expiresAt" timestamptz)`)
}

async function findBy(db: Database, model: string, condition: ReturnType<typeof eq>) {
  const [row] = await db
    .select({ payload: providerModels.payload })
    .from(providerModels)
    .where(and(eq(providerModels.model, model), condition))
  return row && fromStored(undefined, row.payload)
}

const epoch = (moment: Date) => Math.floor(moment.getTime() / 1000)
