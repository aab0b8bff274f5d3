import { and, eq } from 'drizzle-orm'
import type { Grant } from 'oidc-provider'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { clients } from '../database/schema.ts'
import type { UnitOfWork } from './unit-of-work.ts'

interface GrantContents {
  readonly openid?: { readonly scope?: string }
  readonly resources?: Readonly<Record<string, string>>
  readonly rar?: readonly { readonly type: string }[]
}

/**
 * Stores a grant and tells the audit what it allows, in one transaction. Returns its identifier. A client that
 * registered itself is in use from then on.
 * @param claim what must come about first in the same transaction; when it throws, nothing is stored
 */
export async function saveGrant(
  grant: Grant,
  work: UnitOfWork,
  { details, ...origin }: Origin & { details?: Record<string, unknown> },
  claim: (db: Database) => Promise<void> = async () => {},
): Promise<string> {
  return work.atOnce(async () => {
    await claim(work.db)
    const id = await grant.save()
    await work.db
      .update(clients)
      .set({ usedAt: new Date() })
      .where(and(eq(clients.id, grant.clientId ?? ''), eq(clients.dynamic, true)))
    const { openid, resources, rar } = grant as GrantContents
    await record(work.db, {
      type: 'grant.give',
      ...origin,
      subject: { kind: 'account', id: grant.accountId ?? '' },
      clientId: grant.clientId,
      details: { grant: id, openid: openid?.scope, resources, types: rar?.map(({ type }) => type), ...details },
    })
    return id
  })
}
