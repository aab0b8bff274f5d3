import {
  type AuthorizationDetail,
  type Client,
  errors,
  type Provider,
  type TokenEndpointGrantContext,
} from 'oidc-provider'
import type { Usage } from '../api-keys/usage.ts'
import { TOKEN_EXCHANGE } from '../clients/grant-types.ts'
import type { Confirmation } from '../credentials/confirmation.ts'
import type { Examine, Examined } from '../credentials/examine.ts'
import type { Credential } from '../credentials/principal.ts'
import type { Remembered } from '../database/remembered.ts'
import type { Resource } from '../resources/resources.ts'
import { type Actor, derivedScope, isApiScope, issueDerivedToken, requestedResource } from './derived-token.ts'
import { provenHolder } from './engine-internals.ts'
import { isHeldBy, isMeantFor } from './introspection-policy.ts'
import type { UnitOfWork } from './unit-of-work.ts'

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

/** Types of tokens (RFC 8693 3), each with the kind of credential it is here; that of API keys is ours. */
const TOKEN_TYPES: Readonly<Record<string, Credential['kind']>> = {
  [ACCESS_TOKEN]: 'access_token',
  'urn:ietf:params:oauth:token-type:jwt': 'first_party_jwt',
  'urn:gatehouse:token-type:api_key': 'api_key',
}

interface Parameters {
  readonly subject_token?: string
  readonly subject_token_type?: string
  readonly actor_token?: string
  readonly actor_token_type?: string
  readonly requested_token_type?: string
  readonly audience?: string | string[]
}

/** The client that presents tokens, and what it proves to hold. */
interface Presenter {
  readonly client: Client
  readonly holder: Awaited<ReturnType<typeof provenHolder>>
}

export interface TokenExchangeDependencies {
  readonly work: UnitOfWork
  readonly resources: Remembered<Resource>
  readonly examine: Examine
  readonly usage: Pick<Usage, 'note'>
}

/**
 * Has the engine exchange a credential for an access token (RFC 8693): for one resource, with no more scope than the
 * credential has, no longer than it lasts, and ended by whatever ends it.
 */
export function registerTokenExchange(provider: Provider, dependencies: TokenExchangeDependencies): void {
  const { work, resources, examine, usage } = dependencies

  const present = async (token: string | undefined, type: string | undefined, name: string, by: Presenter) => {
    const kind = TOKEN_TYPES[type ?? '']
    if (token === undefined || type === undefined) throw new errors.InvalidRequest(`${name} or its type is missing`)
    if (kind === undefined) throw new errors.InvalidRequest(`the type of ${name} is not supported`)
    const examined = await examine(token, new Date())
    const mayUse = name === 'actor_token' ? isHeldBy : mayExchange
    if (examined?.principal.credential.kind !== kind || !mayUse(by.client, examined)) {
      throw new errors.InvalidRequest(`${name} is not valid, not of its type, or not for this client to exchange`)
    }
    if (!isProven(examined.confirmation, by.holder))
      throw new errors.InvalidRequest(`${name} is bound to a key that was not proven`)
    return examined
  }

  const exchange = async (ctx: TokenEndpointGrantContext<Parameters>) => {
    const { client, params } = ctx.oidc
    const { requested_token_type: requested = ACCESS_TOKEN, actor_token: actorToken, actor_token_type } = params
    if (requested !== ACCESS_TOKEN) throw new errors.InvalidRequest('only access tokens are issued')
    const holder = await provenHolder(ctx)
    const by = { client, holder }
    const subject = await present(params.subject_token, params.subject_token_type, 'subject_token', by)
    const hasActor = actorToken !== undefined || actor_token_type !== undefined
    const actor = hasActor ? await present(actorToken, actor_token_type, 'actor_token', by) : undefined

    const target = requestedResource(params) ?? subject.audience
    const resource = target === undefined ? undefined : await resources.find(work.db, target)
    if (resource === undefined) throw new errors.InvalidTarget()
    const { principal, tags, expiresAt, claims } = subject
    await issueDerivedToken(ctx, {
      subject: principal.subject,
      role: principal.role,
      resource,
      scope: derivedScope(ctx.oidc, resource, (scope) => mayGive(client, subject, scope)),
      parents: [...tags.filter((tag) => tag !== `account ${principal.subject.id}`), ...(actor?.tags ?? [])],
      endsAt: actor !== undefined && actor.expiresAt < expiresAt ? actor.expiresAt : expiresAt,
      act: actOf(client, subject, actor),
      authentication: { auth_time: claims.auth_time, acr: claims.acr, amr: claims.amr },
      holder,
      rar:
        target === subject.audience ? (claims.authorization_details as AuthorizationDetail[] | undefined) : undefined,
    })
    Object.assign(ctx.body as object, { issued_token_type: ACCESS_TOKEN })
    for (const { principal } of [subject, ...(actor === undefined ? [] : [actor])]) {
      if (principal.credential.kind === 'api_key') usage.note(principal.credential.id, new Date(), ctx.ip)
    }
  }

  const names = ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'requested_token_type']
  const targets = ['audience', 'resource']
  provider.registerGrantType<Parameters>(TOKEN_EXCHANGE, exchange, [...names, ...targets, 'scope'], targets)
}

function isProven(bound: Confirmation | undefined, { jkt, x5t }: Presenter['holder']): boolean {
  return (bound?.jkt === undefined || bound.jkt === jkt) && (bound?.x5t === undefined || bound.x5t === x5t)
}

/** A client may exchange what is its own, and what was presented to it as a server of the resource that it is for. */
const mayExchange = (client: Client, examined: Examined) => isHeldBy(client, examined) || isMeantFor(client, examined)

/**
 * No more than the credential has; but one of a person's own, to an app of ours, which people are not asked for, gives
 * what the app may ask of other resources.
 */
function mayGive(client: Client, { principal: { scope: held, credential } }: Examined, scope: string): boolean {
  return held.has(scope) || (credential.kind === 'first_party_jwt' && client.first_party === true && !isApiScope(scope))
}

/** Who acts: the actor, else the client with what was not issued to it; before them whoever acted already. */
function actOf(client: Client, subject: Examined, actor: Examined | undefined): Actor | undefined {
  const before = subject.claims.act as Actor | undefined
  const isOwn = subject.principal.clientId === client.clientId
  const sub = actor?.principal.subject.id ?? (isOwn ? undefined : client.clientId)
  if (sub === undefined) return before
  return before === undefined ? { sub } : { sub, act: before }
}
