import { and, eq, type SQL, sql } from 'drizzle-orm'
import type { Origin } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { firstPartySessions, providerModels } from '../database/schema.ts'
import { endGrants } from '../grants/grants.ts'
import { noteSignOut } from '../logout-notices/logout-notices.ts'

/** What the engine remembers of a single sign-on: what each client was given in it. */
interface SignOn {
  readonly authorizations?: Readonly<Record<string, Authorization>>
}

interface Authorization {
  readonly grantId?: string
  readonly sid?: string
  /** Its client was given offline access, which outlives the sign-on. */
  readonly persistsLogout?: boolean
}

/**
 * Ends single sign-ons, in a transaction, with the grants that last no longer than they do; those with offline access
 * stay. Their clients are told.
 * @param which a condition on `provider_models`; all of them when left out
 */
export async function endSignOns(db: Database, which: SQL | undefined, now: Date, origin: Origin): Promise<void> {
  const ended = await db
    .delete(providerModels)
    .where(and(eq(providerModels.model, 'Session'), which))
    .returning({ accountId: providerModels.accountId, payload: providerModels.payload })
  for (const { accountId, payload } of ended) {
    if (accountId === null) continue
    await endGrants(db, accountId, grantsOf(payload as SignOn), now, origin)
    await noteSignOut(db, accountId, (payload as SignOn).authorizations ?? {}, now)
  }
}

/** Has the clients of an account's single sign-ons told that it is signed out, though these may go on one day. */
export async function noteSignedOut(tx: Database, accountId: string, now: Date): Promise<void> {
  const isTheirs = and(eq(providerModels.model, 'Session'), eq(providerModels.accountId, accountId))
  const signOns = await tx.select({ payload: providerModels.payload }).from(providerModels).where(isTheirs)
  for (const { payload } of signOns) await noteSignOut(tx, accountId, (payload as SignOn).authorizations ?? {}, now)
}

/** The grants of a single sign-on that last no longer than it. */
export function grantsOf({ authorizations = {} }: SignOn): string[] {
  return Object.values(authorizations).flatMap(({ grantId, persistsLogout }) =>
    grantId === undefined || persistsLogout ? [] : [grantId],
  )
}

/**
 * The single sign-ons of an account that came of a sign-in: they know the second of it. What came of another one of
 * that second is taken along: whoever ends sessions from elsewhere means that none of them goes on.
 */
export const beganAt = (accountId: string, authenticatedAt: Date): SQL | undefined =>
  and(
    eq(providerModels.accountId, accountId),
    sql`${providerModels.payload} ->> 'loginTs' = ${secondOf(authenticatedAt)}`,
  )

/** The same of a sign-in that is over, but for what may have come of another one of that second that goes on. */
export const beganAtAlone = (accountId: string, authenticatedAt: Date): SQL | undefined =>
  and(
    beganAt(accountId, authenticatedAt),
    sql`not exists (select 1 from ${firstPartySessions} where ${firstPartySessions.accountId} = ${accountId}
      and ${firstPartySessions.endedAt} is null
      and floor(extract(epoch from ${firstPartySessions.authenticatedAt})) = ${secondOf(authenticatedAt)}::bigint)`,
  )

const secondOf = (moment: Date) => String(Math.floor(moment.getTime() / 1000))
