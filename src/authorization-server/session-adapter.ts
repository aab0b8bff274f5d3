import { and, eq } from 'drizzle-orm'
import { type Adapter, errors, Provider } from 'oidc-provider'
import { providerModels } from '../database/schema.ts'
import { digest } from '../secrets/opaque-token.ts'
import { createModelAdapter, rowOf } from './adapter.ts'
import { keepPushedRequest } from './pushed-requests.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/** What a request has found, and what has become of it since. */
interface Found {
  readonly id: string
  state: 'there' | 'taken' | 'gone'
}

/**
 * Stores the engine's sessions. A request loads one, and stores it again when it is done, renewed under another
 * identifier perhaps. When another request has ended or renewed it meanwhile, what this one knew is stale and is not
 * stored: no session that was signed out of comes back, and one that was renewed has one successor.
 */
export function createSessionAdapter(work: UnitOfWork): Adapter {
  const adapter = createModelAdapter('Session', work)
  const ofRequest = new WeakMap<object, Found>()
  const found = () => (Provider.ctx === undefined ? undefined : ofRequest.get(Provider.ctx))

  return {
    ...adapter,

    async find(id) {
      const payload = await adapter.find(id)
      if (payload && Provider.ctx !== undefined) ofRequest.set(Provider.ctx, { id, state: 'there' })
      return payload
    },

    /** Of the requests that renew or end a session, the one whose statement deletes the row decides what comes after it. */
    async destroy(id) {
      const deleted = await deleteOne('Session', id, work)
      const known = found()
      if (known?.id === id) known.state = deleted ? 'taken' : 'gone'
    },

    async upsert(id, payload, expiresIn) {
      const known = found()
      if (known?.state === 'gone') return
      if (known?.id !== id || known.state === 'taken') return adapter.upsert(id, payload, expiresIn)
      const { model: _, id: __, ...changes } = rowOf('Session', id, payload, expiresIn)
      await work.db.update(providerModels).set(changes).where(isRow('Session', id))
    },
  }
}

/** Stores interactions. Of two requests that resume one, as by a form that was sent twice, one does. */
export function createInteractionAdapter(work: UnitOfWork): Adapter {
  const adapter = createModelAdapter('Interaction', work)
  return {
    ...adapter,

    async upsert(id, payload, expiresIn) {
      await adapter.upsert(id, await keepPushedRequest(work, payload, expiresIn), expiresIn)
    },

    async destroy(id) {
      if (!(await deleteOne('Interaction', id, work))) throw new errors.SessionNotFound('resumed by another request')
    },
  }
}

/** What comes after it, such as a code or another session, is there when it is gone, or it is not gone. */
async function deleteOne(model: string, id: string, work: UnitOfWork): Promise<boolean> {
  await work.begin()
  const deleted = await work.db.delete(providerModels).where(isRow(model, id)).returning({ id: providerModels.id })
  return deleted.length > 0
}

const isRow = (model: string, id: string) => and(eq(providerModels.model, model), eq(providerModels.id, digest(id)))
