import { InvalidRequest, InvalidScope, InvalidTarget } from '../errors.ts'
import { holdsUnshown } from '../http/well-formed.ts'
import { requireDetailsTypes } from './details-types.ts'
import type { ResourceDefinition } from './resources.ts'
import { API_SCOPES, isScopeToken, OPENID_SCOPES } from './scopes.ts'

/** Seconds that an access token for an operator's resource may last. */
export const ACCESS_TOKEN_LIFETIMES = { least: 60, most: 24 * 3600 } as const

const MOST_SCOPES = 100
/** A change of it is announced by its identifier. */
const LONGEST_IDENTIFIER = 200

/** A scope as an operator writes it, with its sentence for the consent page. */
export interface NamedScope {
  readonly scope: string
  readonly sentence: string
}

/**
 * Scopes by name, each with its sentence.
 * @throws {InvalidScope} when one is there twice
 */
export function scopesOf(list: readonly NamedScope[]): Record<string, string> {
  const names = list.map(({ scope }) => scope)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new InvalidScope(`The scope ${twice} is there twice.`)
  return Object.fromEntries(list.map(({ scope, sentence }) => [scope, sentence]))
}

/** @throws {InvalidTarget} when the identifier of a new resource is not an absolute URI, has a fragment, or is ours */
export function requireIdentifier(identifier: string, issuer: string): void {
  const url = URL.parse(identifier)
  if (url === null || !/^[\x21\x22\x24-\x7e]+$/.test(identifier)) {
    throw new InvalidTarget('A resource identifier is an absolute URI without a fragment (RFC 8707 2).')
  }
  if (identifier.length > LONGEST_IDENTIFIER) {
    throw new InvalidTarget(`A resource identifier has at most ${LONGEST_IDENTIFIER} characters.`)
  }
  if (url.origin === new URL(issuer).origin) throw new InvalidTarget('That identifier is this server itself.')
}

/**
 * Holds a resource to what may be said of one.
 * @throws {InvalidScope} when a scope is not a scope token, or is one of OpenID Connect's or ours
 * @throws {InvalidRequest} for a name, a sentence, a lifetime or types that will not do
 */
export function requireDefinition({ name, scopes, ...rest }: ResourceDefinition): void {
  requireShownText(name, 'A resource needs a name')
  if (Object.keys(scopes).length > MOST_SCOPES) throw new InvalidScope(`A resource has at most ${MOST_SCOPES} scopes.`)
  for (const [scope, sentence] of Object.entries(scopes)) {
    if (!isScopeToken(scope) || scope === '__proto__') throw new InvalidScope(`${scope} is not a scope (RFC 6749 3.3).`)
    if (scope.length > 100) throw new InvalidScope('A scope has at most 100 characters.')
    if (Object.hasOwn(OPENID_SCOPES, scope) || Object.hasOwn(API_SCOPES, scope)) {
      throw new InvalidScope(`The scope ${scope} is taken.`)
    }
    requireShownText(sentence, `The scope ${scope} needs a sentence`)
  }
  const { least, most } = ACCESS_TOKEN_LIFETIMES
  const { accessTokenLifetime: seconds } = rest
  if (!Number.isInteger(seconds) || seconds < least || seconds > most) {
    throw new InvalidRequest(`Access tokens last from ${least} to ${most} seconds.`)
  }
  requireDetailsTypes(rest.authorizationDetailsTypes)
}

/** People decide by it, so it holds nothing that hides or reorders its letters. */
function requireShownText(text: string, needs: string): void {
  if (text.trim() === '' || text.length > 200 || holdsUnshown(text)) {
    throw new InvalidRequest(`${needs} of at most 200 characters, none of them invisible or of control.`)
  }
}
