import type { KoaContextWithOIDC } from 'oidc-provider'
import { revokeApiKey } from '../api-keys/api-keys.ts'
import { revokeAccessToken } from '../credentials/access-token-state.ts'
import type { Examine, Examined } from '../credentials/examine.ts'
import { NotFound } from '../errors.ts'
import { endOwnSessions } from '../sessions/own-sessions.ts'
import { originOfEngine } from './audit-trail.ts'
import { isDeclined } from './introspection.ts'
import { isHeldBy, isMeantFor } from './introspection-policy.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/**
 * Revokes what the engine has not (RFC 7009): access tokens that are JWTs, first-party JWTs and API keys. An access token
 * ends for the client that it was issued to. The others were issued to no client, and whoever has one can end it at the
 * API already: here an app of ours may, and a server of the resource that they are for. A first-party JWT ends with its
 * session. To all others nothing is revoked, and they are told the same.
 */
export async function answerRevocation(
  ctx: KoaContextWithOIDC,
  { examine, work }: { examine: Examine; work: UnitOfWork },
): Promise<void> {
  const { client, params, route, entities } = ctx.oidc
  if (route !== 'revocation' || client === undefined || typeof params?.token !== 'string') return
  const wasFound = [entities.AccessToken, entities.ClientCredentials, entities.RefreshToken].some(Boolean)
  if (!(ctx.status === 200 || isDeclined(ctx))) return
  if (wasFound) return answerNothing()

  const now = new Date()
  const examined = await examine(params.token, now)
  if (
    examined !== undefined &&
    (isHeldBy(client, examined) || (!isAccessToken(examined) && isMeantFor(client, examined)))
  ) {
    await work.atOnce(() => revoke(examined))
  }
  answerNothing()

  /** An answer without content has no type of it: there are clients that refuse one of text. */
  function answerNothing(): void {
    ctx.status = 200
    ctx.body = ''
    ctx.remove('content-type')
  }

  async function revoke({ principal: { credential, subject } }: Examined): Promise<void> {
    const by = originOfEngine(ctx)
    switch (credential.kind) {
      case 'access_token':
        return revokeAccessToken(work.db, credential.id, credential.expiresAt, now, {
          ...by,
          subject,
          statusIndex: credential.statusIndex,
        })
      case 'api_key':
        return revokeApiKey(work.db, subject.id, credential.id, now, by).catch(unlessGone)
      case 'first_party_jwt':
        return endOwnSessions(work.db, subject.id, { id: credential.sessionId }, now, by).catch(unlessGone)
    }
  }
}

const isAccessToken = ({ principal }: Examined) => principal.credential.kind === 'access_token'

/** Another request was faster. */
function unlessGone(error: unknown): void {
  if (!(error instanceof NotFound)) throw error
}
