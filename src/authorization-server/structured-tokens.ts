import { decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { findTokenOwner, revokeAccessToken } from '../credentials/access-token-state.ts'
import { originOfEngine } from './audit-trail.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { isResourceServer } from './introspection-policy.ts'

/**
 * Introspects (RFC 7662) and revokes (RFC 7009) the access tokens that are JWTs, which the engine
 * declines with `unsupported_token_type` once it has authenticated the client.
 */
export async function answerForStructuredToken(
  ctx: KoaContextWithOIDC,
  { work, keys, config }: AuthorizationServerDependencies,
): Promise<void> {
  const { client, params, route } = ctx.oidc
  const declined = (ctx.body as { error?: string } | undefined)?.error === 'unsupported_token_type'
  if (!declined || client === undefined || typeof params?.token !== 'string') return

  const now = new Date()
  const payload = await verified(params.token)
  const issuedTo = payload?.client_id === client.clientId
  ctx.status = 200

  if (route === 'revocation') {
    if (payload !== undefined && issuedTo) {
      const by = { ...originOfEngine(ctx), subject: subjectOf(payload) }
      await revokeAccessToken(work.db, String(payload.jti), new Date(Number(payload.exp) * 1000), now, by)
    }
    ctx.body = ''
    return
  }

  const visible = payload !== undefined && (issuedTo || isResourceServer(client)) && (await isLive(payload))
  ctx.body = visible ? { active: true, token_type: 'Bearer', ...payload } : { active: false }

  async function verified(token: string): Promise<JWTPayload | undefined> {
    try {
      if (decodeProtectedHeader(token).typ !== 'at+jwt') return undefined
      const getKey = async ({ kid, alg }: { kid?: string; alg?: string }) => {
        const key = await keys.verifier('authorization_server', kid, alg)
        if (key === undefined) throw new Error('no such key')
        return key
      }
      const requiredClaims = ['exp', 'jti', 'sub', 'client_id', 'aud']
      const options = {
        issuer: config.issuer,
        typ: 'at+jwt',
        algorithms: ['ES256', 'RS256'],
        requiredClaims,
        currentDate: now,
      }
      return (await jwtVerify(token, getKey, options)).payload
    } catch {
      return undefined
    }
  }

  async function isLive({ jti, sub, client_id, grant_id }: JWTPayload): Promise<boolean> {
    const grantId = typeof grant_id === 'string' ? grant_id : undefined
    const claims = { id: String(jti), subject: String(sub), clientId: String(client_id), grantId }
    return (await findTokenOwner(work.db, claims, now)) !== undefined
  }
}

function subjectOf({ sub, client_id }: JWTPayload) {
  return { kind: sub === client_id ? 'client' : 'account', id: String(sub) } as const
}
