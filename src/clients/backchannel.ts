import { InvalidRequest } from '../errors.ts'
import { CIBA } from './grant-types.ts'
import { redirectUriProblem } from './redirect-uris.ts'

/** How a client asks people who are elsewhere (OpenID Connect CIBA Core 1.0 4). */
export interface BackchannelMetadata {
  /** How it learns of an answer: it asks for it, or is told to. Undefined is `poll`. */
  readonly backchannelTokenDeliveryMode?: 'poll' | 'ping' | undefined
  /** Where it is told, by `ping`. */
  readonly backchannelClientNotificationEndpoint?: string | undefined
  /** Told that an e-mail is no account's (CIBA 13 `unknown_user_id`), where any other client waits for nobody's answer. */
  readonly tellsUnknownUsers?: boolean | undefined
}

/**
 * The members of RFC 7591 metadata for that.
 * @throws {InvalidRequest} for what does not go together, or an endpoint that will not do
 */
export function backchannelMetadata(
  input: BackchannelMetadata,
  grantTypes: readonly string[],
): Record<string, unknown> {
  const { backchannelTokenDeliveryMode: mode, backchannelClientNotificationEndpoint: endpoint } = input
  if (!grantTypes.includes(CIBA)) {
    if (mode === undefined && endpoint === undefined && !input.tellsUnknownUsers) return {}
    throw new InvalidRequest('A client that does not use CIBA learns of no answers by it.')
  }
  if ((mode === 'ping') !== (endpoint !== undefined)) {
    throw new InvalidRequest('A client of the mode ping, and no other, has a notification endpoint.')
  }
  const isPlain = endpoint?.startsWith('http:') ? 'must be https' : undefined
  const problem = endpoint === undefined ? undefined : (isPlain ?? redirectUriProblem(endpoint, 'web'))
  if (problem !== undefined) throw new InvalidRequest(`The notification endpoint ${endpoint} ${problem}.`)
  return {
    backchannel_token_delivery_mode: mode ?? 'poll',
    ...(endpoint === undefined ? {} : { backchannel_client_notification_endpoint: endpoint }),
    ...(input.tellsUnknownUsers ? { tells_unknown_users: true } : {}),
  }
}
