import { and, eq, gt, sql } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { keyset, type Place } from '../database/keyset.ts'
import { clients, providerModels } from '../database/schema.ts'
import { NotFound } from '../errors.ts'
import { type GrantPayload, removeGrants, scopeOf } from './grants.ts'

/** A grant as administrators see it. */
export interface ListedGrant {
  readonly id: string
  readonly accountId: string
  readonly clientId: string
  readonly clientName: string
  readonly scope: readonly string[]
  /** The scopes by the identifier of the resource they are of. */
  readonly resources: Readonly<Record<string, string>>
  readonly detailsTypes: readonly string[]
  readonly createdAt: Date
  readonly expiresAt: Date
}

/** Whose grants; all that are given must fit. */
export interface GrantFilter {
  readonly accountId?: string | undefined
  readonly clientId?: string | undefined
}

const COLUMNS = {
  id: providerModels.grantId,
  accountId: providerModels.accountId,
  clientId: providerModels.clientId,
  clientName: clients.name,
  payload: providerModels.payload,
  expiresAt: providerModels.expiresAt,
}

/** In so many words: only then may the indexes of grants be used. */
const isGrant = sql`${providerModels.model} = 'Grant'`

/** All last as long as each other, so their ends are in the order in which they were given. */
const inOrder = keyset(providerModels.expiresAt, providerModels.grantId)

/** A page of the grants that have not ended, in the order in which they end. */
export async function listAllGrants(
  db: Database,
  { accountId, clientId }: GrantFilter,
  now: Date,
  limit: number,
  after?: Place,
): Promise<ListedGrant[]> {
  const rows = await db
    .select(COLUMNS)
    .from(providerModels)
    .innerJoin(clients, eq(clients.id, providerModels.clientId))
    .where(
      and(
        isGrant,
        gt(providerModels.expiresAt, now),
        accountId === undefined ? undefined : eq(providerModels.accountId, accountId),
        clientId === undefined ? undefined : eq(providerModels.clientId, clientId),
        inOrder.after(after),
      ),
    )
    .orderBy(...inOrder.order)
    .limit(limit)
  return rows.map(listed)
}

/** Where a grant is in that order. */
export const placeOfGrant = ({ expiresAt, id }: ListedGrant): Place => ({ createdAt: expiresAt, id })

/**
 * The grant with this identifier, while it has not ended.
 * @throws {NotFound}
 */
export async function readGrant(db: Database, id: string, now: Date): Promise<ListedGrant> {
  const [row] = await db
    .select(COLUMNS)
    .from(providerModels)
    .innerJoin(clients, eq(clients.id, providerModels.clientId))
    .where(and(isGrant, eq(providerModels.grantId, id), gt(providerModels.expiresAt, now)))
  if (row === undefined) throw new NotFound('There is no such grant.')
  return listed(row)
}

/**
 * Takes back a grant of anybody's with all that was issued under it, JWT access tokens too.
 * @param check looks at it as it is, in the transaction; what it throws is thrown
 * @throws {NotFound} when it is unknown or over
 */
export async function revokeGrant(
  db: Database,
  id: string,
  now: Date,
  origin: Origin = {},
  check: (before: ListedGrant) => void = () => {},
): Promise<void> {
  await db.transaction(async (tx) => {
    await tx
      .select({ id: providerModels.id })
      .from(providerModels)
      .where(and(isGrant, eq(providerModels.grantId, id)))
      .for('update')
    const before = await readGrant(tx, id, now)
    check(before)
    await removeGrants(tx, eq(providerModels.grantId, id), now)
    const subject = { kind: 'account', id: before.accountId } as const
    await record(tx, { type: 'grant.revoke', ...origin, subject, clientId: before.clientId, details: { grants: [id] } })
  })
}

function listed({
  payload,
  ...row
}: { payload: Record<string, unknown> } & Record<keyof Omit<typeof COLUMNS, 'payload'>, unknown>): ListedGrant {
  const { iat, resources = {}, openid, rar = [] } = payload as unknown as GrantPayload
  return {
    id: row.id as string,
    accountId: row.accountId as string,
    clientId: row.clientId as string,
    clientName: row.clientName as string,
    scope: scopeOf({ openid, resources }),
    resources,
    detailsTypes: [...new Set(rar.map(({ type }) => type))],
    createdAt: new Date(iat * 1000),
    expiresAt: row.expiresAt as Date,
  }
}
