import { and, eq, isNull, lt } from 'drizzle-orm'
import { type Adapter, type AdapterPayload, errors, Provider } from 'oidc-provider'
import { providerModels } from '../database/schema.ts'
import { digest } from '../secrets/opaque-token.ts'
import { createModelAdapter } from './adapter.ts'
import type { UnitOfWork } from './unit-of-work.ts'

const isRow = (id: string) => and(eq(providerModels.model, 'PushedAuthorizationRequest'), eq(providerModels.id, id))

/** An interaction knows the pushed request it came of by digest, which leads nobody to it by its `request_uri`. */
const keyOf = (id: string) => (isResumed() ? id : digest(id))
const isResumed = () => Provider.ctx?.oidc.route.endsWith('resume') === true

/**
 * Stores what clients push (RFC 9126). A `request_uri` may be opened any number of times while it is good, and is used
 * up by the authorization that comes of it: of several one gets its answer.
 */
export function createPushedRequestAdapter(work: UnitOfWork): Adapter {
  const spent = () => new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used')
  const find = async (id: string) => {
    const [row] = await work.db
      .select({ payload: providerModels.payload, consumedAt: providerModels.consumedAt })
      .from(providerModels)
      .where(isRow(keyOf(id)))
    if (row === undefined || row.consumedAt !== null) throw spent()
    return { ...row.payload, jti: id }
  }

  return {
    ...createModelAdapter('PushedAuthorizationRequest', work),
    find,

    /** One conditional UPDATE, in the transaction in which the code is stored. */
    async consume(id) {
      await work.begin()
      const consumed = await work.db
        .update(providerModels)
        .set({ consumedAt: new Date() })
        .where(and(isRow(keyOf(id)), isNull(providerModels.consumedAt)))
        .returning({ id: providerModels.id })
      if (consumed.length === 0) throw spent()
    },
  }
}

/**
 * An interaction as it is to be stored: with the digest of the pushed request it came of, which is kept for as long,
 * so that it is known to be used up when somebody is still at another page of it.
 */
export async function keepPushedRequest(
  work: UnitOfWork,
  payload: AdapterPayload,
  expiresIn: number | undefined,
): Promise<AdapterPayload> {
  const { parJti } = payload as { parJti?: string }
  if (parJti === undefined || expiresIn === undefined) return payload
  const pushed = Provider.ctx?.oidc.entities.PushedAuthorizationRequest
  const key = pushed?.jti === parJti ? digest(parJti) : parJti
  const expiresAt = new Date(Date.now() + expiresIn * 1000)
  await work.db
    .update(providerModels)
    .set({ expiresAt })
    .where(and(isRow(key), lt(providerModels.expiresAt, expiresAt)))
  return { ...payload, parJti: key } as AdapterPayload
}
