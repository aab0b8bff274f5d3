import type { FastifyRequest } from 'fastify'
import type { Credential, Principal } from './principal.ts'

/** Judges one kind of credential. */
export interface CredentialVerifier {
  readonly kind: Credential['kind']
  /** What the request presents of this kind, unverified; undefined when it presents none. Looks, never judges. */
  presented(request: FastifyRequest): string | undefined
  /**
   * The principal it stands for.
   * @throws {InvalidCredential} otherwise; there is no third answer
   */
  verify(presented: string, now: Date): Promise<Principal>
}
