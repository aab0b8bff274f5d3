import type { AccessToken, Client, ClientCredentials, KoaContextWithOIDC, RefreshToken } from 'oidc-provider'
import { findAccount } from '../accounts/accounts.ts'
import type { UnitOfWork } from './unit-of-work.ts'

type Token = AccessToken | ClientCredentials | RefreshToken

/**
 * Who may ask about a token (RFC 7662 4): the client it was issued to, and the operator's machine
 * clients, which is what a resource server authenticates as. Refresh tokens are their client's only.
 * Nobody may about one whose account is disabled: it is not active any more.
 */
export function createIntrospectionPolicy(work: UnitOfWork) {
  return async (_ctx: KoaContextWithOIDC, client: Client, token: Token): Promise<boolean> => {
    const accountId = 'accountId' in token ? token.accountId : undefined
    if (accountId !== undefined && (await findAccount(work.db, accountId)) === undefined) return false
    return token.clientId === client.clientId || (isResourceServer(client) && token.kind !== 'RefreshToken')
  }
}

/** Only the client a token was issued to may revoke it (RFC 7009 2.1); for others it does not exist. */
export async function mayRevoke(_ctx: KoaContextWithOIDC, client: Client, token: Token): Promise<boolean> {
  return token.clientId === client.clientId
}

/** Whether a client is one the operator registered for a server of his own. */
export function isResourceServer(client: Client): boolean {
  return client.clientAuthMethod !== 'none' && client.grantTypeAllowed('client_credentials') && client.dynamic !== true
}
