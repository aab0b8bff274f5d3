import type { KoaContextWithOIDC } from 'oidc-provider'
import type { AuditEvent, Origin } from '../audit/audit.ts'
import type { Refusals } from '../audit/refusals.ts'
import { DEPENDS_ON } from '../credentials/lineage.ts'
import { UUID } from '../database/identifiers.ts'
import { digest } from '../secrets/opaque-token.ts'

/** What refused requests are called in the audit, by route of the engine. */
const REFUSED: Readonly<Record<string, string>> = {
  authorization: 'authorization.request',
  pushed_authorization_request: 'authorization.push',
  device_authorization: 'device_authorization.request',
  backchannel_authentication: 'backchannel_authentication.request',
  token: 'token.issue',
  introspection: 'token.introspect',
  revocation: 'token.revoke',
  registration: 'client.register',
  client: 'client.read',
  client_update: 'client.update',
  client_delete: 'client.delete',
}

/** Answers that ask a client to go another way or to wait, and refuse nothing. */
const NO_REFUSAL = new Set([
  'login_required',
  'consent_required',
  'interaction_required',
  'access_denied',
  'authorization_pending',
])

/** Who makes a request to the engine; of a client only one that is ours, never the text that was sent. */
export function originOfEngine(ctx: KoaContextWithOIDC | undefined): Origin {
  return { clientId: ctx?.oidc?.client?.clientId, from: ctx?.ip }
}

/**
 * What a token request issued: one event, whatever the grant type.
 * @param isRetry whether a rotation was asked for again
 */
export function issueOf(ctx: KoaContextWithOIDC, isRetry: boolean): AuditEvent {
  const { client, entities, params } = ctx.oidc
  const token = entities.AccessToken ?? entities.ClientCredentials
  return {
    type: 'token.issue',
    ...originOfEngine(ctx),
    subject: ownerOf({
      accountId: entities.Account?.accountId ?? entities.AccessToken?.accountId,
      clientId: client?.clientId,
    }),
    credential: token && { kind: 'access_token', id: nameOf(token) },
    details: {
      grantType: params?.grant_type,
      scope: token?.scope,
      resource: token?.aud,
      grant: entities.Grant?.jti,
      dependsOn: token?.extra?.[DEPENDS_ON],
      act: token?.extra?.act,
      ...(isRetry ? { retry: true } : {}),
    },
  }
}

/** That a client pushed an authorization request: what it asks for, as far as it was found to be in order. */
export function pushOf(ctx: KoaContextWithOIDC): AuditEvent {
  const { client, params } = ctx.oidc
  return {
    type: 'authorization.push',
    ...originOfEngine(ctx),
    subject: { kind: 'client', id: client?.clientId ?? '' },
    details: { scope: params?.scope, resource: params?.resource },
  }
}

/** Whose something of the engine is. What was exchanged for a client's token has that client where else an account is. */
export function ownerOf({ accountId, clientId }: { accountId?: string | null; clientId?: string | null }) {
  if (accountId && UUID.test(accountId)) return { kind: 'account', id: accountId } as const
  const id = accountId || clientId
  return id ? ({ kind: 'client', id } as const) : undefined
}

/** A name for an access token: the `jti` of a JWT; the digest of an opaque one, whose identifier is the token itself. */
function nameOf(token: { jti: string; resourceServer?: { accessTokenFormat?: string } }): string {
  return token.resourceServer?.accessTokenFormat === 'jwt' ? token.jti : digest(token.jti)
}

/** Notes that the engine refused a request, and by which error code. */
export async function noteRefusal(ctx: KoaContextWithOIDC, refusals: Refusals): Promise<void> {
  const { error } = (ctx.body ?? {}) as { error?: unknown }
  if (typeof error === 'string' && ctx.status < 500) await noteError(ctx, error, refusals)
}

export async function noteError(ctx: KoaContextWithOIDC, error: string, refusals: Refusals): Promise<void> {
  const type = REFUSED[ctx.oidc?.route ?? '']
  if (type === undefined || NO_REFUSAL.has(error)) return
  const isAuthentication = error === 'invalid_client' || error === 'slow_down'
  const details = isAuthentication ? { reason: error, asked: type } : { reason: error }
  await refusals.note({ type: isAuthentication ? 'client.authenticate' : type, ...originOfEngine(ctx), details })
}
