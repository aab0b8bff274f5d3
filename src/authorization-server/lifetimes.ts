import type { AccessToken, ClientCredentials, Configuration, KoaContextWithOIDC } from 'oidc-provider'
import { ACCESS_TOKEN_LIFETIME } from '../resources/schema.ts'

const MINUTE = 60
const DAY = 24 * 60 * MINUTE

/** Seconds a person's permission to a client lasts. Refreshing never extends it (RFC 9700 4.14.2). */
export const GRANT_LIFETIME = 30 * DAY

/** Seconds of a provider session, for as long as which its ID tokens serve as hints when people sign out. */
export const SESSION_LIFETIME = 14 * DAY

/** The most that a client may have a person think about its request (CIBA 7.1 `requested_expiry`). */
const LONGEST_REQUEST = 30 * MINUTE

/** How long each thing the engine issues is good for, in seconds. */
export const lifetimes: NonNullable<Configuration['ttl']> = {
  AccessToken: (ctx, token) => withinGrant(ctx, lifetimeOf(token)),
  AuthorizationCode: MINUTE,
  BackchannelAuthenticationRequest: ({ oidc }) =>
    Math.min(Number(oidc.params?.requested_expiry ?? 10 * MINUTE), LONGEST_REQUEST),
  ClientCredentials: (_ctx, token) => lifetimeOf(token),
  DeviceCode: 10 * MINUTE,
  Grant: GRANT_LIFETIME,
  IdToken: 10 * MINUTE,
  Interaction: 60 * MINUTE,
  RefreshToken: (ctx) => {
    const rotated = ctx.oidc.entities.RotatedRefreshToken as { remainingTTL: number } | undefined
    return withinGrant(ctx, rotated?.remainingTTL ?? GRANT_LIFETIME)
  },
  Session: SESSION_LIFETIME,
}

/** As long as its resource says; one for none, which has OpenID scopes alone, as long as most. */
function lifetimeOf({ resourceServer }: AccessToken | ClientCredentials): number {
  return resourceServer?.accessTokenTTL ?? ACCESS_TOKEN_LIFETIME
}

/** What was granted ends what is issued under it. */
function withinGrant(ctx: KoaContextWithOIDC, seconds: number): number {
  const grant = ctx.oidc.entities.Grant as { remainingTTL: number } | undefined
  return Math.max(1, Math.min(seconds, grant?.remainingTTL ?? seconds))
}
