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

/**
 * Whether the engine is to revoke a token with all that its grant gave (RFC 7009 2.1). For any client but
 * the one it was issued to it does not exist. An access token ends here by itself, as one that is a JWT does.
 */
export async function mayRevoke(_ctx: KoaContextWithOIDC, client: Client, token: Token): Promise<boolean> {
  if (token.clientId !== client.clientId) return false
  if (token.kind !== 'AccessToken') return true
  await token.destroy()
  return false
}

/** Whether a client is one the operator registered for a server of his own. */
export function isResourceServer(client: Client): boolean {
  return client.clientAuthMethod !== 'none' && client.grantTypeAllowed('client_credentials') && client.dynamic !== true
}
