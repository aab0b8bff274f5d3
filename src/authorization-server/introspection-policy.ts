import type { AccessToken, Client, ClientCredentials, KoaContextWithOIDC, RefreshToken } from 'oidc-provider'
import { findAccount } from '../accounts/accounts.ts'
import type { Examined } from '../credentials/examine.ts'
import type { UnitOfWork } from './unit-of-work.ts'

type Token = AccessToken | ClientCredentials | RefreshToken

/**
 * Which tokens the engine itself is to describe (RFC 7662 4): refresh tokens, to their client, as long as their account
 * is not disabled. Every other credential is examined and described as requests are judged.
 */
export function createIntrospectionPolicy(work: UnitOfWork) {
  return async (_ctx: KoaContextWithOIDC, client: Client, token: Token): Promise<boolean> => {
    if (token.kind !== 'RefreshToken' || token.clientId !== client.clientId) return false
    const { accountId } = token as RefreshToken
    return accountId !== undefined && (await findAccount(work.db, accountId)) !== undefined
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

/** Whether a credential is for a resource that the operator registered a client as a server of. */
export function isMeantFor(client: Client, { audience }: Pick<Examined, 'audience'>): boolean {
  return audience !== undefined && ((client.serves as string[] | undefined) ?? []).includes(audience)
}

/**
 * Whether a client is told of a credential as a server of the resource that it is for (RFC 7662 4): one that the operator
 * created for servers, and named no resources for, serves all of them.
 */
export function isToldOf(client: Client, examined: Examined): boolean {
  const servesAll = client.serves === undefined && client.grantTypeAllowed('client_credentials')
  return servesAll || isMeantFor(client, examined)
}

/** Whether a credential is in a client's hands as its own: it was issued to it, or the client is an app of ours. */
export function isHeldBy(client: Client, { principal: { credential, clientId } }: Examined): boolean {
  return credential.kind === 'access_token' ? clientId === client.clientId : client.first_party === true
}
