import type { Usage } from '../api-keys/usage.ts'
import type { Refusals } from '../audit/refusals.ts'
import type { Client } from '../clients/clients.ts'
import type { Config } from '../config.ts'
import type { Examine } from '../credentials/examine.ts'
import type { UseOnce } from '../credentials/use-once.ts'
import type { Remembered } from '../database/remembered.ts'
import type { FindCertificate } from '../http/client-certificate.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Limits } from '../limits/policy.ts'
import type { DetailsTypes } from '../resources/details-types.ts'
import type { PublishedResources } from '../resources/published.ts'
import type { Resource } from '../resources/resources.ts'
import type { Sealer } from '../secrets/sealed.ts'
import type { UserCodes } from '../secrets/user-codes.ts'
import type { DeviceCookie, RefreshCookie } from '../sessions/cookie.ts'
import type { StatusSlots } from '../status-lists/slots.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/** What the authorization server is built from. */
export interface AuthorizationServerDependencies {
  readonly config: Config
  readonly work: UnitOfWork
  readonly keys: KeyRing
  /** Seconds for which the published keys may be kept. */
  readonly jwksMaxAge: number
  readonly sealer: Sealer
  readonly userCodes: UserCodes
  readonly refreshCookie: RefreshCookie
  readonly deviceCookie: DeviceCookie
  readonly clients: Remembered<Client>
  readonly resources: Remembered<Resource>
  readonly publishedResources: () => Promise<PublishedResources>
  readonly detailsTypes: DetailsTypes
  readonly limits: Limits
  readonly useOnce: UseOnce
  readonly findCertificate: FindCertificate
  readonly refusals: Refusals
  readonly examine: Examine
  readonly statusSlots: StatusSlots
  /** Told of the API keys that are exchanged. */
  readonly usage: Pick<Usage, 'note'>
}
