import type { Grant } from 'oidc-provider'
import { type Origin, record } from '../audit/audit.ts'
import type { UnitOfWork } from './unit-of-work.ts'

interface GrantContents {
  readonly openid?: { readonly scope?: string }
  readonly resources?: Readonly<Record<string, string>>
}

/** Stores a grant and tells the audit what it allows, in one transaction. Returns its identifier. */
export async function saveGrant(
  grant: Grant,
  work: UnitOfWork,
  { details, ...origin }: Origin & { details?: Record<string, unknown> },
): Promise<string> {
  let id = ''
  await work.run(new Date(), async () => {
    await work.begin()
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
