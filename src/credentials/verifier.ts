import type { FastifyRequest } from 'fastify'
import type { Account } from '../accounts/accounts.ts'
import type { Tag } from '../database/changes.ts'
import type { Confirmation } from './confirmation.ts'
import type { Credential, Principal } from './principal.ts'

/** What a verification found out. Good until it expires or one of the things it depends on changes. */
export interface Verified {
  readonly principal: Principal
  /** What it depends on. */
  readonly tags: readonly Tag[]
  readonly expiresAt: Date
  /** What every request with it must prove besides; undefined when having it is enough. */
  readonly confirmation?: Confirmation | undefined
  /** The account behind it, once it was looked up. */
  account?: Account | undefined
}

/** Judges one kind of credential. */
export interface CredentialVerifier {
  readonly kind: Credential['kind']
  /** What the request presents of this kind, unverified; undefined when it presents none. Looks, never judges. */
  presented(request: FastifyRequest): string | undefined
  /**
   * What it stands for.
   * @param audience the resource that it must be for
   * @throws {InvalidCredential} otherwise; there is no third answer
   */
  verify(presented: string, now: Date, audience: string): Promise<Verified>
}

/** Whether what a self-contained credential says of these can be believed as of a moment, without the database. */
export type IsUnchanged = (tags: readonly Tag[], since: Date) => boolean
