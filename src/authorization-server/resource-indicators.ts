import { type Configuration, errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider'
import type { Remembered } from '../database/remembered.ts'
import { builtInIdentifier, type Resource } from '../resources/resources.ts'
import { API_SCOPES, OPENID_SCOPES, splitScope } from '../resources/scopes.ts'
import { ACCESS_TOKEN_LIFETIME } from './lifetimes.ts'
import type { UnitOfWork } from './unit-of-work.ts'

type ResourceIndicators = NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>

/**
 * Which resource an access token is for (RFC 8707). Without `resource`, a request whose scope names
 * API scopes is for the built-in one, and so is a machine's without a scope. A scope that nobody knows, or that the client may not ask for,
 * is refused (RFC 6749 3.3), where the engine would drop it in silence; so is a person's consent to nothing.
 * The client's own format of tokens wins over the resource's.
 */
export function createResourceIndicators(
  issuer: string,
  work: UnitOfWork,
  resources: Remembered<Resource>,
): ResourceIndicators {
  const builtIn = builtInIdentifier(issuer)

  return {
    enabled: true,

    async defaultResource(ctx, _client, oneOf) {
      if (oneOf !== undefined) return oneOf.length === 1 ? (oneOf[0] as string) : oneOf
      const asked = requestedScope(ctx)
      if (isMachineRequest(ctx) && asked.length === 0) return builtIn
      if (asked.some((scope) => scope in API_SCOPES)) return builtIn
      requireKnownScope(ctx, asked, [])
      return undefined as never
    },

    /** A token request that names no resource gets the one that was granted, unless it asks for OpenID scopes only. */
    async useGrantedResource(ctx, source) {
      const asked = splitScope((ctx.oidc.params?.scope as string | undefined) ?? source.scope)
      return asked.some((scope) => !(scope in OPENID_SCOPES))
    },

    async getResourceServerInfo(ctx, identifier, client) {
      const resource = await resources.find(work.db, identifier)
      if (resource === undefined) throw new errors.InvalidTarget()
      applyDefaultScope(ctx, resource)
      const others = [ctx.oidc.params?.resource].flat().filter((other): other is string => typeof other === 'string')
      const named = await Promise.all(others.map((other) => resources.find(work.db, other)))
      requireKnownScope(ctx, requestedScope(ctx), [resource, ...named])
      return {
        audience: identifier,
        scope: Object.keys(resource.scopes).join(' '),
        accessTokenFormat: client.access_token_format ?? resource.format,
        accessTokenTTL: ACCESS_TOKEN_LIFETIME,
        jwt: { sign: { alg: 'ES256' } },
      } as ResourceServer
    },
  }
}

function isMachineRequest(ctx: KoaContextWithOIDC): boolean {
  return ctx.oidc.params?.grant_type === 'client_credentials'
}

/** A machine that names no scope gets all that its client may ask of the resource (RFC 6749 3.3). */
function applyDefaultScope(ctx: KoaContextWithOIDC, resource: Resource): void {
  const { params, client } = ctx.oidc
  if (params === undefined || params.scope !== undefined || !isMachineRequest(ctx)) return
  const allowed = splitScope(client?.allowed_scope as string | undefined)
  params.scope = allowed.filter((scope) => scope in resource.scopes).join(' ') || undefined
}

function requestedScope(ctx: KoaContextWithOIDC): string[] {
  return splitScope(ctx.oidc.params?.scope as string | undefined)
}

function requireKnownScope(
  ctx: KoaContextWithOIDC,
  asked: readonly string[],
  of: readonly (Resource | undefined)[],
): void {
  if (ctx.oidc.route.endsWith('resume')) return
  if (asked.length === 0 && ctx.oidc.route === 'authorization') throw new errors.InvalidScope('scope is required', '')
  const known = [OPENID_SCOPES, ...of.map((resource) => resource?.scopes ?? {})]
  const allowed = splitScope(ctx.oidc.client?.allowed_scope as string | undefined)
  for (const scope of asked) {
    if (!known.some((scopes) => Object.hasOwn(scopes, scope)))
      throw new errors.InvalidScope('requested scope is unknown', scope)
    if (!allowed.includes(scope)) throw new errors.InvalidScope('requested scope is not allowed for this client', scope)
  }
}
