import type { clients } from '../database/schema.ts'
import { InvalidRedirectUri, InvalidRequest, InvalidScope } from '../errors.ts'
import { holdsUnshown } from '../http/well-formed.ts'
import { isScopeToken } from '../resources/scopes.ts'
import { backchannelMetadata } from './backchannel.ts'
import { requireClientRole } from './client-role.ts'
import { answeredApart, defaultGrantTypes, GIVEN_GRANT_TYPES } from './grant-types.ts'
import { logoutMetadata } from './logout.ts'
import { type ClientType, isConfidential, metadataOf, type NewClient, requireProofs } from './new-client.ts'
import { redirectUriProblem } from './redirect-uris.ts'
import { withProfile } from './security-profile.ts'

const PERSON_SCOPES = ['openid', 'profile', 'email', 'offline_access', 'profile:read']

/** What an operator says of a client, as its columns hold it, and whether it has a secret to authenticate by. */
export interface ClientDescription {
  readonly columns: Omit<typeof clients.$inferInsert, 'id' | 'secretDigest'>
  readonly hasSecret: boolean
}

/**
 * Holds what an operator says of a client to the rules.
 * @throws {InvalidRedirectUri} for a redirect URI that will not do
 * @throws {InvalidScope} for a scope that is no scope token
 * @throws {InvalidRequest} for a public client that is given what needs authentication
 * @throws {InvalidRequest} for keys that will not do, or the lack of them, or a role that its type cannot have
 */
export async function describeClient(asked: NewClient): Promise<ClientDescription> {
  const input = withProfile(asked)
  const grantTypes = input.grantTypes ?? defaultGrantTypes(input.type)
  requireRedirectUris(input.redirectUris, input.type, answeredApart(grantTypes))
  const wrong = input.scope?.find((scope) => !isScopeToken(scope))
  if (wrong !== undefined) throw new InvalidScope(`${wrong} is not a scope (RFC 6749 3.3).`)
  requireClientName(input.name)
  requireClientRole(input.role, input.type)
  requireGrantTypes(grantTypes, input.type)
  if (!isConfidential(input.type) && input.serves?.length) {
    throw new InvalidRequest('A client that cannot keep a secret serves no resource.')
  }
  const told = { ...logoutMetadata(input, input.type), ...backchannelMetadata(input, grantTypes) }
  await requireProofs(input)
  const isKeyed = input.authentication !== undefined || input.certificate !== undefined
  return {
    columns: {
      name: input.name.trim(),
      type: input.type,
      redirectUris: [...input.redirectUris],
      scope: [...(input.scope ?? (input.type === 'machine' ? [] : PERSON_SCOPES))],
      firstParty: input.firstParty ?? false,
      role: input.role ?? 'service',
      metadata: { ...metadataOf({ ...input, grantTypes }), ...told },
    },
    hasSecret: isConfidential(input.type) && !isKeyed,
  }
}

/**
 * A name is shown to people who decide by it, so it holds nothing that hides or reorders its letters.
 * @throws {InvalidRequest}
 */
export function requireClientName(name: string): void {
  if (name.trim() === '' || name.length > 200)
    throw new InvalidRequest('A client needs a name of at most 200 characters.')
  if (holdsUnshown(name)) {
    throw new InvalidRequest('The name of a client must not hold control, invisible or direction characters.')
  }
}

/** @throws {InvalidRequest} for a machine that would ask people, or a public client that would use what needs authentication */
function requireGrantTypes(grantTypes: readonly string[], type: ClientType): void {
  const apart = answeredApart(grantTypes)
  if (type === 'machine' && apart.length > 0) throw new InvalidRequest('A machine client asks nobody for consent.')
  if (!isConfidential(type) && grantTypes.some((each) => GIVEN_GRANT_TYPES.has(each))) {
    throw new InvalidRequest('A client that cannot keep a secret has no such grant type.')
  }
}

/**
 * @param apart grant types that need no redirect URI
 * @throws {InvalidRedirectUri} naming the first URI that will not do, or the lack of one
 */
export function requireRedirectUris(uris: readonly string[], type: ClientType, apart: readonly string[]): void {
  if (type === 'machine') {
    if (uris.length > 0) throw new InvalidRedirectUri('A machine client has no redirect URI.')
    return
  }
  if (uris.length === 0 && apart.length === 0) throw new InvalidRedirectUri('This client needs a redirect URI.')
  for (const uri of uris) {
    const problem = redirectUriProblem(uri, type)
    if (problem !== undefined) throw new InvalidRedirectUri(`The redirect URI ${uri} ${problem}.`)
  }
}
