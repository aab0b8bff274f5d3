import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Examine, Examined } from '../credentials/examine.ts'
import { DEPENDS_ON } from '../credentials/lineage.ts'
import { isHeldBy, isToldOf } from './introspection-policy.ts'

/** RFC 9701 4. */
const SIGNED = 'application/token-introspection+jwt'

/**
 * Introspects every credential but refresh tokens (RFC 7662), which the engine has described by now: it declines JWTs
 * with `unsupported_token_type` once it has authenticated the client, and finds no API key. A client is told of what was
 * issued to it, or is meant for a resource that it serves; of anything else that it is not active.
 */
export async function answerIntrospection(
  ctx: KoaContextWithOIDC,
  { examine, config }: { examine: Examine; config: { issuer: string } },
): Promise<void> {
  const { client, params, route, entities } = ctx.oidc
  if (route !== 'introspection' || client === undefined || typeof params?.token !== 'string') return
  if (entities.RefreshToken !== undefined || !(ctx.status === 200 || isDeclined(ctx))) return

  const examined = await examine(params.token, new Date())
  const isVisible = examined !== undefined && (isHeldBy(client, examined) || isToldOf(client, examined))
  const answer = isVisible ? describe(examined, config.issuer) : { active: false }
  ctx.status = 200
  if (ctx.accepts('json', SIGNED) === SIGNED) {
    ctx.body = await sign(ctx, answer)
    ctx.type = SIGNED
  } else {
    ctx.body = answer
    ctx.type = 'json'
  }
}

/** Whether the engine declines a token for being a JWT. */
export const isDeclined = ({ body }: KoaContextWithOIDC) =>
  (body as { error?: string } | null | undefined)?.error === 'unsupported_token_type'

/** What a credential says, with the role that its owner has now and the scope it may use, and its kind. */
function describe({ principal, audience, claims, expiresAt }: Examined, issuer: string): Record<string, unknown> {
  const { [DEPENDS_ON]: _, ...said } = claims
  const { credential, subject, clientId, scope, role } = principal
  const isOfClient = credential.kind === 'access_token'
  return {
    ...said,
    active: true,
    iss: issuer,
    sub: subject.id,
    aud: audience,
    exp: Math.floor(expiresAt.getTime() / 1000),
    client_id: clientId,
    scope: [...scope].join(' ') || undefined,
    ...(claims.role === undefined ? {} : { role }),
    ...(isOfClient ? {} : { jti: credential.id }),
    token_type: (claims.cnf as { jkt?: string } | undefined)?.jkt === undefined ? 'Bearer' : 'DPoP',
    credential_kind: credential.kind,
  }
}

/** The answer as a JWT for the client that asks (RFC 9701 5), by the algorithm that it registered. */
function sign(ctx: KoaContextWithOIDC, answer: object): Promise<string> {
  const { IdToken } = ctx.oidc.provider
  const token = new IdToken({}, { ctx })
  token.set('token_introspection', answer)
  return token.issue({ use: 'introspection' })
}
