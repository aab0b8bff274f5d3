import { type AccessToken, type ClientCredentials, errors } from 'oidc-provider'
import { DEPENDS_ON, readParents } from '../credentials/lineage.ts'
import type { Tag } from '../database/changes.ts'
import { UUID } from '../database/identifiers.ts'
import { InvalidCredential } from '../errors.ts'
import { type StatusClaim, statusClaim } from '../status-lists/place.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'

/**
 * Where a token tells whether what it depends on still lives, for who verifies it without us (draft-ietf-oauth-status-list-21
 * 6.1): a JWT alone, as whoever gets another kind has to ask. Tokens that depend on the same share it.
 * @returns a function that throws {errors.InvalidGrant} when something of it lives no more
 */
export function createTokenStatus({ statusSlots, work, config }: AuthorizationServerDependencies) {
  return async (token: AccessToken | ClientCredentials): Promise<{ status?: StatusClaim }> => {
    if (token.resourceServer?.accessTokenFormat !== 'jwt') return {}
    try {
      const index = await statusSlots.find(work.db, dependenciesOf(token), work.db !== work.pool)
      return { status: statusClaim(config.issuer, index) }
    } catch (error) {
      if (error instanceof InvalidCredential) throw new errors.InvalidGrant(error.message)
      throw error
    }
  }
}

/** All that a token ends with, sorted: its client, and its grant or what it was got by, and whose it is. */
function dependenciesOf(token: AccessToken | ClientCredentials): Tag[] {
  const tags = new Set<Tag>([`client ${token.clientId}`, ...readParents(token.extra?.[DEPENDS_ON])])
  if ('grantId' in token && token.grantId !== undefined) tags.add(`grant ${token.grantId}`)
  if ('accountId' in token) tags.add(`${UUID.test(token.accountId) ? 'account' : 'client'} ${token.accountId}`)
  return [...tags].sort()
}
