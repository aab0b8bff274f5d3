import { type AuthorizationDetail, errors, type TokenEndpointGrantContext } from 'oidc-provider'
import { DEPENDS_ON, MOST_PARENTS } from '../credentials/lineage.ts'
import type { Principal } from '../credentials/principal.ts'
import type { Tag } from '../database/changes.ts'
import type { Resource } from '../resources/resources.ts'
import { API_SCOPES, splitScope } from '../resources/scopes.ts'
import type { provenHolder } from './engine-internals.ts'
import { resourceServerOf } from './resource-indicators.ts'

/** Who acts, and for whom that one acted (RFC 8693 4.1). */
export interface Actor {
  readonly sub: string
  readonly act?: unknown
}

/** An access token that comes of something other than a grant or the client itself. */
export interface Derivation {
  readonly subject: Principal['subject']
  readonly role: Principal['role']
  readonly resource: Resource
  readonly scope: readonly string[]
  /** What it ends with, besides its client and its subject. */
  readonly parents: readonly Tag[]
  readonly endsAt: Date | undefined
  readonly act: Actor | undefined
  /** How and when the person signed in, where one did (RFC 9470 6). */
  readonly authentication: Readonly<Record<string, unknown>>
  readonly holder: Awaited<ReturnType<typeof provenHolder>>
  /** The authorization details it keeps (RFC 9396 6). */
  readonly rar?: AuthorizationDetail[] | undefined
}

/**
 * Answers a token request with an access token that ends with what it comes of, and no later than an access token does.
 * Unlike other tokens it has no grant: what it depends on stands in it, and is looked up when it is judged.
 * @throws {errors.InvalidRequest} when it would depend on too much, or end at once
 */
export async function issueDerivedToken(
  ctx: TokenEndpointGrantContext,
  { subject, role, resource, scope, parents, endsAt, act, authentication, holder, rar }: Derivation,
): Promise<void> {
  const { provider, client } = ctx.oidc
  if (parents.length > MOST_PARENTS) throw new errors.InvalidRequest('it was exchanged too often')
  const now = Math.floor(Date.now() / 1000)
  const latest = (endsAt?.getTime() ?? Number.POSITIVE_INFINITY) / 1000
  const exp = Math.min(now + resource.accessTokenLifetime, Math.floor(latest))
  if (exp <= now) throw new errors.InvalidRequest('what it would come of is about to end')

  const { AccessToken, ClientCredentials, ResourceServer } = provider
  const input = {
    client,
    resourceServer: new ResourceServer(resource.identifier, resourceServerOf(resource, client)),
    scope: scope.join(' '),
    exp,
    rar,
    extra: { ...authentication, role, [DEPENDS_ON]: [...new Set(parents)], act },
  }
  const isItself = subject.id === client.clientId
  const token = isItself ? new ClientCredentials(input) : new AccessToken({ ...input, accountId: subject.id } as never)
  holder.bind(token)
  ctx.oidc.entity(token.kind, token)
  ctx.body = {
    access_token: await token.save(),
    token_type: token.tokenType,
    expires_in: exp - now,
    scope: token.scope,
    authorization_details: rar,
  }
}

/**
 * The one resource a token is asked for, by either name (RFC 8693 2.1, RFC 8707 2).
 * @throws {errors.InvalidTarget} when there are several
 */
export function requestedResource(params: {
  readonly audience?: string | string[]
  readonly resource?: string | string[] | undefined
}): string | undefined {
  const [target, ...more] = new Set([params.audience, params.resource].flat().filter((name) => name !== undefined))
  if (more.length > 0) throw new errors.InvalidTarget('a token is for one resource')
  return target
}

/**
 * The scope of a derived token: what is asked for, or else all of what may be given. A scope may be given when the
 * resource has it, its client may ask for it, and `mayGive` says so of who it comes of.
 * @throws {errors.InvalidScope} for one that may not be given, or when there is none
 */
export function derivedScope(
  { params, client }: TokenEndpointGrantContext['oidc'],
  resource: Resource,
  mayGive: (scope: string) => boolean,
): string[] {
  const asked = splitScope(params.scope)
  const allowed = splitScope(client.allowed_scope as string | undefined)
  const given = allowed.filter((scope) => Object.hasOwn(resource.scopes, scope) && mayGive(scope))
  const beyond = asked.find((scope) => !given.includes(scope))
  if (beyond !== undefined) throw new errors.InvalidScope('requested scope is more than can be given', beyond)
  if (given.length === 0) throw new errors.InvalidScope('no scope of that resource can be given', '')
  return asked.length > 0 ? asked : given
}

/** Whether a scope is one of the built-in resource's, which the role of a subject limits. */
export const isApiScope = (scope: string) => Object.hasOwn(API_SCOPES, scope)
