import type { Role } from '../accounts/accounts.ts'

/** The scopes of the built-in resource, each with what it allows in a sentence for the consent page. */
export const API_SCOPES: Readonly<Record<string, string>> = {
  'profile:read': 'Read your name, e-mail address and role',
  'keys:read': 'See the list of your API keys, without the keys themselves',
  'keys:write': 'Revoke and replace your API keys, and hold the new ones',
  'admin:read': 'See every account of this server, as an administrator',
  'admin:write': 'Change accounts and settings of this server, as an administrator',
}

/** The OpenID Connect scopes (Core 5.4, 11) and their sentences. */
export const OPENID_SCOPES: Readonly<Record<string, string>> = {
  openid: 'Know who you are by an identifier',
  profile: 'Read your name',
  email: 'Read your e-mail address',
  offline_access: 'Keep this access while you are away, until it ends or you remove it',
}

const ADMINISTRATORS_ONLY = new Set(['admin:read', 'admin:write'])

/** The API scopes a subject with this role may hold through any credential. */
export function scopesOfRole(role: Role): ReadonlySet<string> {
  const all = Object.keys(API_SCOPES)
  return new Set(role === 'admin' ? all : all.filter((scope) => !ADMINISTRATORS_ONLY.has(scope)))
}

/** The part of `scope` that a subject with this role may hold: no credential widens its owner. */
export function narrowToRole(scope: Iterable<string>, role: Role): ReadonlySet<string> {
  const allowed = scopesOfRole(role)
  return new Set([...scope].filter((name) => !(name in API_SCOPES) || allowed.has(name)))
}

/** A scope token (RFC 6749 3.3), as the source of a regular expression. */
export const SCOPE_TOKEN = '[\\x21\\x23-\\x5B\\x5D-\\x7E]+'
const IS_SCOPE_TOKEN = new RegExp(`^${SCOPE_TOKEN}$`)

/** Whether a text is a scope token. */
export function isScopeToken(text: string): boolean {
  return IS_SCOPE_TOKEN.test(text)
}

/** The names of a space-separated scope, each once. */
export function splitScope(scope: string | undefined): string[] {
  return [...new Set((scope ?? '').split(' ').filter(Boolean))]
}
