import { CredentialNotAccepted, InsufficientRole, InsufficientScope } from '../errors.ts'
import type { Credential, Principal } from './principal.ts'

/** What a route asks of whoever calls it. Every route under /api states one. */
export interface Access {
  /** The kinds of credential it takes; `none` for a route that anyone may call, `optional` for one that takes any. */
  readonly credentials: 'none' | 'optional' | 'any' | readonly Credential['kind'][]
  /** A scope that the principal must hold. */
  readonly scope?: string
  /** A role that the subject must have. */
  readonly role?: 'admin'
}

/**
 * The one policy, the same for every kind of credential.
 * @throws {CredentialNotAccepted | InsufficientRole | InsufficientScope}
 */
export function authorize(principal: Principal, access: Access): void {
  const { credentials, scope, role } = access
  if (Array.isArray(credentials) && !credentials.includes(principal.credential.kind)) throw new CredentialNotAccepted()
  if (role !== undefined && principal.role !== role) throw new InsufficientRole()
  if (scope !== undefined && !principal.scope.has(scope)) throw new InsufficientScope(scope)
}
