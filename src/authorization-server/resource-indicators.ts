import { type Client, type Configuration, errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider'
import { type AccessTokenFormat, builtInIdentifier, type Resource } from '../resources/resources.ts'
import { API_SCOPES, OPENID_SCOPES, splitScope } from '../resources/scopes.ts'
import { askedDetails, resourcesOfDetails } from './authorization-details.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { profileOf } from './fapi.ts'

/** Routes at which a client asks for the consent of a person. */
const ASKS_A_PERSON = new Set(['authorization', 'device_authorization', 'backchannel_authentication'])

type ResourceIndicators = NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>

/**
 * Which resource an access token is for (RFC 8707). Without `resource`, a request whose scope names
 * API scopes is for the built-in one, and so is a machine's without a scope; one with authorization details is for those
 * of their types. A scope that nobody knows, or that the client may not ask for,
 * is refused (RFC 6749 3.3), where the engine would drop it in silence; so is a person's consent to nothing.
 * The client's own format of tokens wins over the resource's. A client that registered itself may ask for any scope of an
 * operator's resource, because it could have registered for it; the person decides.
 */
export function createResourceIndicators(
  issuer: string,
  { work, resources, detailsTypes }: AuthorizationServerDependencies,
): ResourceIndicators {
  const builtIn = builtInIdentifier(issuer)

  return {
    enabled: true,

    async defaultResource(ctx, _client, oneOf) {
      if (oneOf !== undefined) return oneOf.length === 1 ? (oneOf[0] as string) : oneOf
      const asked = requestedScope(ctx)
      const ofDetails = resourcesOfDetails(askedDetails(ctx.oidc.params?.authorization_details), detailsTypes)
      if (ofDetails.length > 0) {
        return asked.some((scope) => scope in API_SCOPES) ? [builtIn, ...ofDetails] : ofDetails
      }
      if (isMachineRequest(ctx) && asked.length === 0) return builtIn
      if (asked.some((scope) => scope in API_SCOPES)) return builtIn
      requireKnownScope(ctx, asked, [])
      return undefined as never
    },

    /** A token request that names no resource gets the one that was granted, unless it asks for OpenID scopes only. */
    async useGrantedResource(ctx, source) {
      if (ctx.oidc.params?.scope === undefined && (source as { rar?: unknown[] }).rar?.length) return true
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
      return resourceServerOf(resource, client)
    },
  }
}

/** A resource as the engine issues a client's access tokens for it: of its scopes those that the client may ask for. */
export function resourceServerOf(resource: Resource, client: Client): ResourceServer {
  return {
    audience: resource.identifier,
    scope: Object.keys(resource.scopes).filter(mayAsk(client)).join(' '),
    accessTokenFormat: (client.access_token_format as AccessTokenFormat | undefined) ?? resource.format,
    accessTokenTTL: resource.accessTokenLifetime,
    // RS256 is not for who is held to FAPI 2.0 (5.4.1).
    jwt: { sign: { alg: profileOf(client) === undefined ? resource.signingAlg : 'ES256' } },
  }
}

/** Whether a client may ask for a scope. */
function mayAsk(client: Client | undefined): (scope: string) => boolean {
  const allowed = splitScope(client?.allowed_scope as string | undefined)
  const isOperators = (scope: string) => !(scope in OPENID_SCOPES || scope in API_SCOPES)
  return (scope) => allowed.includes(scope) || (client?.dynamic === true && isOperators(scope))
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
  const isNothing = asked.length === 0 && !ctx.oidc.params?.authorization_details
  if (isNothing && ASKS_A_PERSON.has(ctx.oidc.route)) throw new errors.InvalidScope('scope is required', '')
  const known = [OPENID_SCOPES, ...of.map((resource) => resource?.scopes ?? {})]
  const isAllowed = mayAsk(ctx.oidc.client)
  for (const scope of asked) {
    if (!known.some((scopes) => Object.hasOwn(scopes, scope)))
      throw new errors.InvalidScope('requested scope is unknown', scope)
    if (!isAllowed(scope)) throw new errors.InvalidScope('requested scope is not allowed for this client', scope)
  }
}
