import type { Configuration, KoaContextWithOIDC } from 'oidc-provider'

const MINUTE = 60
const DAY = 24 * 60 * MINUTE

/** Seconds a person's permission to a client lasts. Refreshing never extends it (RFC 9700 4.14.2). */
export const GRANT_LIFETIME = 30 * DAY

/** Seconds an access token lasts, unless its grant ends before. */
export const ACCESS_TOKEN_LIFETIME = 10 * MINUTE

/** Seconds of a provider session, for as long as which its ID tokens serve as hints when people sign out. */
export const SESSION_LIFETIME = 14 * DAY

/** How long each thing the engine issues is good for, in seconds. */
export const lifetimes: NonNullable<Configuration['ttl']> = {
  AccessToken: (ctx) => withinGrant(ctx, ACCESS_TOKEN_LIFETIME),
  AuthorizationCode: MINUTE,
  ClientCredentials: ACCESS_TOKEN_LIFETIME,
  Grant: GRANT_LIFETIME,
  IdToken: 10 * MINUTE,
  Interaction: 60 * MINUTE,
  RefreshToken: (ctx) => {
    const rotated = ctx.oidc.entities.RotatedRefreshToken as { remainingTTL: number } | undefined
    return withinGrant(ctx, rotated?.remainingTTL ?? GRANT_LIFETIME)
  },
  Session: SESSION_LIFETIME,
}

/** What was granted ends what is issued under it. */
function withinGrant(ctx: KoaContextWithOIDC, seconds: number): number {
  const grant = ctx.oidc.entities.Grant as { remainingTTL: number } | undefined
  return Math.max(1, Math.min(seconds, grant?.remainingTTL ?? seconds))
}
