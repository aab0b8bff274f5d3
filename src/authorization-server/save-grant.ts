import type { Grant } from 'oidc-provider'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import type { UnitOfWork } from './unit-of-work.ts'

interface GrantContents {
  readonly openid?: { readonly scope?: string }
  readonly resources?: Readonly<Record<string, string>>
}

/**
 * Stores a grant and tells the audit what it allows, in one transaction. Returns its identifier.
 * @param claim what must come about first in the same transaction; when it throws, nothing is stored
 */
export async function saveGrant(
  grant: Grant,
  work: UnitOfWork,
  { details, ...origin }: Origin & { details?: Record<string, unknown> },
  claim: (db: Database) => Promise<void> = async () => {},
): Promise<string> {
  let id = ''
  await work.run(new Date(), async () => {
    await work.begin()
    await claim(work.db)
    id = await grant.save()
    const { openid, resources } = grant as GrantContents
    await record(work.db, {
      type: 'grant.give',
      ...origin,
      subject: { kind: 'account', id: grant.accountId ?? '' },
      clientId: grant.clientId,
      details: { grant: id, openid: openid?.scope, resources, ...details },
    })
    return true
  })
  return id
}
