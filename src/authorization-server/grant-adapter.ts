import type { Adapter, AdapterPayload } from 'oidc-provider'
import { splitScope } from '../resources/scopes.ts'
import { createModelAdapter } from './adapter.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'

/**
 * Stores grants. Of the OpenID scopes that a person allowed, the engine is told those that the client may still ask for:
 * what an operator takes from a client is in no token, and told by userinfo to none, from the next request on.
 */
export function createGrantAdapter({ work, clients }: AuthorizationServerDependencies): Adapter {
  const adapter = createModelAdapter('Grant', work)
  return {
    ...adapter,

    async find(id) {
      const payload = (await adapter.find(id)) as GrantPayload | undefined
      if (payload?.openid?.scope === undefined) return payload
      const client = await clients.find(work.db, payload.clientId ?? '')
      const allowed = splitScope(payload.openid.scope).filter((scope) => client?.scope.includes(scope))
      return { ...payload, openid: { ...payload.openid, scope: allowed.join(' ') } } as AdapterPayload
    },
  }
}

type GrantPayload = AdapterPayload & { readonly openid?: { readonly scope?: string } }
