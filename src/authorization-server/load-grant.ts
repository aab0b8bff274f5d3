import type { Grant, KoaContextWithOIDC } from 'oidc-provider'
import { findAccount } from '../accounts/accounts.ts'
import { narrowToRole, splitScope } from '../resources/scopes.ts'
import { originOfEngine } from './audit-trail.ts'
import { saveGrant } from './save-grant.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/**
 * The grant an authorization request builds on: the one just consented to, else the one this browser
 * session holds for the client. For a first-party client what is asked for is granted without asking,
 * as far as the account may hold it.
 */
export function createGrantLoader(work: UnitOfWork) {
  return async (ctx: KoaContextWithOIDC): Promise<Grant | undefined> => {
    const { provider, client, session, result, account } = ctx.oidc
    if (client === undefined || account === undefined) return undefined
    const grantId = result?.consent?.grantId ?? session?.grantIdFor(client.clientId)
    const grant = grantId === undefined ? undefined : await provider.Grant.find(grantId)
    if (client.first_party !== true) return grant

    const owner = await findAccount(work.db, account.accountId)
    if (owner === undefined) return undefined
    const own = grant ?? new provider.Grant({ accountId: owner.id, clientId: client.clientId })
    const before = JSON.stringify(own)
    addRequested(own, ctx, (scope) => narrowToRole(scope, owner.role))
    if (own !== grant || JSON.stringify(own) !== before) {
      await saveGrant(own, work, { ...originOfEngine(ctx), details: { assumed: true } })
    }
    return own
  }
}

/**
 * Adds to a grant what the request asks for, as far as `narrow` lets it, and notes the rest as refused,
 * so that it is not asked for again and again.
 */
export function addRequested(
  grant: Grant,
  ctx: Pick<KoaContextWithOIDC, 'oidc'>,
  narrow: (scope: string[]) => ReadonlySet<string>,
): void {
  const openid = [...ctx.oidc.requestParamOIDCScopes]
  if (openid.length > 0) grant.addOIDCScope(openid.join(' '))
  const claims = [...ctx.oidc.requestParamClaims]
  if (claims.length > 0) grant.addOIDCClaims(claims)

  for (const [identifier, resource] of Object.entries(ctx.oidc.resourceServers ?? {})) {
    const offered = new Set(splitScope(resource.scope))
    const asked = [...ctx.oidc.requestParamScopes].filter((scope) => offered.has(scope))
    const granted = narrow(asked)
    const refused = asked.filter((scope) => !granted.has(scope))
    if (granted.size > 0) grant.addResourceScope(identifier, [...granted].join(' '))
    if (refused.length > 0) grant.rejectResourceScope(identifier, refused.join(' '))
  }
}
