import type { AccessToken, Client, ClientCredentials, KoaContextWithOIDC, RefreshToken } from 'oidc-provider'

type Token = AccessToken | ClientCredentials | RefreshToken

/**
 * Who may ask about a token (RFC 7662 4): the client it was issued to, and the operator's machine
 * clients, which is what a resource server authenticates as. Refresh tokens are their client's only.
 */
export async function mayIntrospect(_ctx: KoaContextWithOIDC, client: Client, token: Token): Promise<boolean> {
  if (token.clientId === client.clientId) return true
  return isResourceServer(client) && token.kind !== 'RefreshToken'
}

/** Only the client a token was issued to may revoke it (RFC 7009 2.1); for others it does not exist. */
export async function mayRevoke(_ctx: KoaContextWithOIDC, client: Client, token: Token): Promise<boolean> {
  return token.clientId === client.clientId
}

/** Whether a client is one the operator registered for a server of his own. */
export function isResourceServer(client: Client): boolean {
  return client.clientAuthMethod !== 'none' && client.grantTypeAllowed('client_credentials') && client.dynamic !== true
}
