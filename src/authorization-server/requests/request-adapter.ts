import type { Adapter, AdapterPayload } from 'oidc-provider'
import type { UserCodes } from '../../secrets/user-codes.ts'
import { createModelAdapter } from '../adapter.ts'
import { askedAcrValues } from '../authentication-context.ts'
import type { UnitOfWork } from '../unit-of-work.ts'

type Payload = AdapterPayload & { readonly params?: Record<string, unknown> }

/** Seconds for which one is kept beyond its end, so that who asks is told `expired_token` (RFC 8628 3.5, CIBA 11). */
const KEPT = 10 * 60

/** Members of a request that a person is asked about; the others are of no use, and may be somebody's secret or name, or no text. */
const ASKED = ['scope', 'resource', 'authorization_details', 'binding_message', 'max_age', 'prompt']

/**
 * Stores requests that a person answers apart from the client, at a page of ours while the client asks for the answer: of
 * the user code a keyed digest, of the parameters those that the person is asked about.
 * @param userCodes where people find a request by a code
 */
export function createRequestAdapter(
  model: 'DeviceCode' | 'BackchannelAuthenticationRequest',
  work: UnitOfWork,
  userCodes?: UserCodes,
): Adapter {
  const adapter = createModelAdapter(model, work)
  return {
    ...adapter,

    upsert(id, payload, expiresIn) {
      const { userCode, params = {}, claims: _, nonce: __, ...rest } = payload as Payload
      const asked = Object.entries(params).filter(([name]) => ASKED.includes(name))
      const acrValues = askedAcrValues(params.acr_values)
      const stored = {
        ...rest,
        params: { ...Object.fromEntries(asked), acr_values: acrValues.join(' ') || undefined },
        ...(userCode === undefined ? {} : { userCode: userCodes?.digest(userCode) }),
      }
      return adapter.upsert(id, stored as AdapterPayload, (expiresIn ?? 0) + KEPT)
    },

    /** A refusal is told each time; there is nothing to consume. */
    async consume(id) {
      const stored = (await adapter.find(id)) as AdapterPayload | undefined
      if (stored?.error === undefined) await adapter.consume(id)
    },
  }
}
