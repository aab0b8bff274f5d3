import type { Refusals } from '../audit/refusals.ts'
import type { Client } from '../clients/clients.ts'
import type { Config } from '../config.ts'
import type { Remembered } from '../database/remembered.ts'
import type { AttemptLimit } from '../http/rate-limits.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Resource } from '../resources/resources.ts'
import type { Sealer } from '../secrets/sealed.ts'
import type { RefreshCookie } from '../sessions/cookie.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/** What the authorization server is built from. */
export interface AuthorizationServerDependencies {
  readonly config: Config
  readonly work: UnitOfWork
  readonly keys: KeyRing
  /** Seconds for which the published keys may be kept. */
  readonly jwksMaxAge: number
  readonly sealer: Sealer
  readonly refreshCookie: RefreshCookie
  readonly clients: Remembered<Client>
  readonly resources: Remembered<Resource>
  /** Failed client authentications, by client and network. */
  readonly clientAttempts: AttemptLimit
  readonly refusals: Refusals
}
