import type { FastifyBaseLogger } from 'fastify'
import type { LiveChanges } from '../database/live-changes.ts'
import { loadSigningKeys } from '../keys/signing-keys.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { createEngine, type Engine } from './engine.ts'

/** The engine in force. It loads signing keys when it is made, so another one follows when they change. */
export function createCurrentEngine(
  dependencies: AuthorizationServerDependencies,
  changes: LiveChanges,
  log: FastifyBaseLogger,
): () => Engine {
  const { work, keys, sealer } = dependencies
  let engine = createEngine(dependencies, log)
  const lookAtKeys = async () => {
    try {
      if (keys.replace(await loadSigningKeys(work.pool, sealer))) engine = createEngine(dependencies, log)
    } catch (error) {
      log.warn({ err: error }, 'looking for new signing keys failed')
    }
  }
  changes.tell({
    forget: (tag) => void (tag.startsWith('keys ') && lookAtKeys()),
    forgetAll: () => void lookAtKeys(),
  })
  return () => engine
}
