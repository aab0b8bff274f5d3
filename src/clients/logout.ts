import { InvalidRedirectUri, InvalidRequest } from '../errors.ts'
import type { ClientType } from './clients.ts'
import { redirectUriProblem } from './redirect-uris.ts'

/** How a client takes part in signing out. */
export interface LogoutMetadata {
  /** Where people may go after signing out (OpenID Connect RP-Initiated Logout 1.0 3.1). */
  readonly postLogoutRedirectUris?: readonly string[] | undefined
  /** Where it is told of sign-outs (OpenID Connect Back-Channel Logout 1.0 2.2). */
  readonly backchannelLogoutUri?: string | undefined
  /** Whether it needs to be told of which session; its ID tokens name it then, by `sid`. */
  readonly backchannelLogoutSessionRequired?: boolean | undefined
}

/**
 * The members of RFC 7591 metadata for that, of a client that the operator registers.
 * @throws {InvalidRedirectUri | InvalidRequest} for a URI that will not do
 */
export function logoutMetadata(input: LogoutMetadata, type: ClientType): Record<string, unknown> {
  const { postLogoutRedirectUris: uris = [], backchannelLogoutUri: uri } = input
  for (const each of uris) {
    const problem = redirectUriProblem(each, type)
    if (problem !== undefined) throw new InvalidRedirectUri(`The post-logout redirect URI ${each} ${problem}.`)
  }
  const problem = uri === undefined ? undefined : redirectUriProblem(uri, 'web')
  if (problem !== undefined) throw new InvalidRequest(`The back-channel logout URI ${uri} ${problem}.`)
  return {
    ...(uris.length === 0 ? {} : { post_logout_redirect_uris: [...uris] }),
    ...(uri === undefined ? {} : { backchannel_logout_uri: uri }),
    ...(uri !== undefined && input.backchannelLogoutSessionRequired
      ? { backchannel_logout_session_required: true }
      : {}),
  }
}
