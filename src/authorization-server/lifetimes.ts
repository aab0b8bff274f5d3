import type { Configuration } from 'oidc-provider'

const MINUTE = 60
const DAY = 24 * 60 * MINUTE

/** Seconds a person's permission to a client lasts. Refreshing never extends it (RFC 9700 4.14.2). */
export const GRANT_LIFETIME = 30 * DAY

/** How long each thing the engine issues is good for, in seconds. */
export const lifetimes: NonNullable<Configuration['ttl']> = {
  AccessToken: 10 * MINUTE,
  AuthorizationCode: MINUTE,
  ClientCredentials: 10 * MINUTE,
  Grant: GRANT_LIFETIME,
  IdToken: 10 * MINUTE,
  Interaction: 60 * MINUTE,
  RefreshToken: (ctx) => {
    const rotated = ctx.oidc.entities.RotatedRefreshToken as { remainingTTL: number } | undefined
    const grant = ctx.oidc.entities.Grant as { remainingTTL: number } | undefined
    return Math.max(1, Math.min(rotated?.remainingTTL ?? GRANT_LIFETIME, grant?.remainingTTL ?? GRANT_LIFETIME))
  },
  Session: 14 * DAY,
}
