import type { FastifyRequest } from 'fastify'
import { CredentialNotAccepted, InsufficientRole, InsufficientScope, ReauthenticationRequired } from '../errors.ts'
import type { Credential, Principal } from './principal.ts'

/** Seconds after a sign-in within which its owner may do what is most sensitive (ASVS V7.5.3). */
export const RECENT_SIGN_IN = 15 * 60

/** What a route asks of whoever calls it. Every route under /api states one. */
export interface Access {
  /** The kinds of credential it takes; `none` for a route that anyone may call, `optional` for one that takes any. */
  readonly credentials: 'none' | 'optional' | 'any' | readonly Credential['kind'][]
  /** The resource that is called, by identifier, where it is not ours. */
  readonly resource?: (request: FastifyRequest) => string | undefined
  /** A scope that the principal must hold. */
  readonly scope?: string
  /** A role that the subject must have. */
  readonly role?: 'admin'
  /** Seconds that may have passed since the person signed in (RFC 9470); clients themselves and keys are refused. */
  readonly maxAge?: number
}

/**
 * The one policy, the same for every kind of credential.
 * @throws {CredentialNotAccepted | InsufficientRole | InsufficientScope | ReauthenticationRequired}
 */
export function authorize(principal: Principal, access: Access, now: Date): void {
  const { credentials, scope, role, maxAge } = access
  if (Array.isArray(credentials) && !credentials.includes(principal.credential.kind)) throw new CredentialNotAccepted()
  if (role !== undefined && principal.role !== role) throw new InsufficientRole()
  if (scope !== undefined && !principal.scope.has(scope)) throw new InsufficientScope(scope)
  if (maxAge !== undefined) requireRecentSignIn(principal, maxAge, now)
}

/** A sign-in can be done again by who signed in, and not by a client for itself or for who holds a key. */
function requireRecentSignIn({ subject, credential }: Principal, seconds: number, now: Date): void {
  if (subject.kind === 'client' || credential.kind === 'api_key') throw new CredentialNotAccepted()
  const { authenticatedAt } = credential
  const isRecent = authenticatedAt !== undefined && now.getTime() - authenticatedAt.getTime() <= seconds * 1000
  if (!isRecent) throw new ReauthenticationRequired(seconds)
}
