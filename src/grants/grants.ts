import { and, desc, eq, gt, inArray, type SQL } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import { announce, type Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { clients, providerModels } from '../database/schema.ts'
import { NotFound } from '../errors.ts'

/** A resource owner's standing permission to a client, as its owner sees it. */
export interface Grant {
  readonly clientId: string
  readonly clientName: string
  readonly redirectUri: string | undefined
  readonly scope: readonly string[]
  /** The types of authorization details that were granted (RFC 9396). */
  readonly detailsTypes: readonly string[]
  readonly createdAt: Date
  readonly expiresAt: Date
}

/** A grant as the engine keeps it. */
export interface GrantPayload {
  /** Seconds. */
  readonly iat: number
  readonly openid?: { readonly scope?: string }
  readonly resources?: Readonly<Record<string, string>>
  readonly rar?: readonly { readonly type: string }[]
}

/** What an account allows: one entry a client, all its live grants joined, the newest first. */
export async function listGrants(db: Database, accountId: string, now: Date): Promise<Grant[]> {
  const rows = await db
    .select({
      clientId: clients.id,
      clientName: clients.name,
      redirectUris: clients.redirectUris,
      payload: providerModels.payload,
      expiresAt: providerModels.expiresAt,
    })
    .from(providerModels)
    .innerJoin(clients, eq(clients.id, providerModels.clientId))
    .where(
      and(
        eq(providerModels.model, 'Grant'),
        eq(providerModels.accountId, accountId),
        gt(providerModels.expiresAt, now),
      ),
    )
    .orderBy(desc(providerModels.expiresAt))

  const byClient = new Map<string, Grant>()
  for (const row of rows) {
    const payload = row.payload as unknown as GrantPayload
    const scope = scopeOf(payload)
    const known = byClient.get(row.clientId)
    byClient.set(row.clientId, {
      clientId: row.clientId,
      clientName: row.clientName,
      redirectUri: row.redirectUris[0],
      scope: [...new Set([...(known?.scope ?? []), ...scope])],
      detailsTypes: [...new Set([...(known?.detailsTypes ?? []), ...(payload.rar ?? []).map(({ type }) => type)])],
      createdAt: new Date(payload.iat * 1000),
      expiresAt: known?.expiresAt ?? row.expiresAt ?? now,
    })
  }
  return [...byClient.values()]
}

/**
 * Takes back all an account has granted a client: grants, codes, refresh and access tokens, also
 * the self-contained ones, which are refused for want of their grant.
 * @throws {NotFound} when nothing is granted
 */
export async function revokeGrants(
  db: Database,
  accountId: string,
  clientId: string,
  now: Date,
  origin: Origin = {},
): Promise<void> {
  await db.transaction(async (tx) => {
    const all = and(eq(providerModels.accountId, accountId), eq(providerModels.clientId, clientId))
    const grants = await removeGrants(tx, all, now)
    if (grants.length === 0) throw new NotFound('Nothing is granted to that client.')
    const details = { grants: grants.map(({ grantId }) => grantId) }
    await record(tx, {
      type: 'grant.revoke',
      ...origin,
      subject: { kind: 'account', id: accountId },
      clientId,
      details,
    })
  })
}

/**
 * Removes grants with all that was issued under them, in a transaction, so that it is refused from the next request on;
 * the audit is for the caller to tell. The grants go first, as whoever writes under one holds it first.
 * @param which a condition that holds for the grants and for what is of them
 * @returns the grants that were there
 */
export async function removeGrants(tx: Database, which: SQL | undefined, now: Date) {
  const { grantId, accountId, clientId } = providerModels
  const removed = await tx
    .delete(providerModels)
    .where(and(which, eq(providerModels.model, 'Grant')))
    .returning({ grantId, accountId, clientId })
  if (removed.length === 0) return removed
  await tx.delete(providerModels).where(which)
  await announce(
    tx,
    removed.map(({ grantId }): Tag => `grant ${grantId}`),
    now,
  )
  return removed
}

/** Ends grants of an account that last as long as a sign-in, which is over: with their codes and tokens. */
export async function endGrants(
  db: Database,
  accountId: string,
  grantIds: readonly string[],
  now: Date,
  origin: Origin = {},
): Promise<void> {
  if (grantIds.length === 0) return
  await db.transaction(async (tx) => {
    const all = and(eq(providerModels.accountId, accountId), inArray(providerModels.grantId, [...grantIds]))
    const ended = await removeGrants(tx, all, now)
    for (const { grantId, clientId } of ended) {
      await record(tx, {
        type: 'grant.end',
        ...origin,
        subject: { kind: 'account', id: accountId },
        clientId: clientId ?? undefined,
        details: { grant: grantId, at: 'sign_out' },
      })
    }
  })
}

/** All scopes of a grant, of OpenID Connect and of resources. */
export function scopeOf({ openid, resources }: Omit<GrantPayload, 'iat'>): string[] {
  return [openid?.scope, ...Object.values(resources ?? {})].flatMap((scope) => scope?.split(' ') ?? [])
}
