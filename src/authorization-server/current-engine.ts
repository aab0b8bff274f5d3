import type { FastifyBaseLogger } from 'fastify'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { createEngine, type Engine } from './engine.ts'

/**
 * The engine in force. It loads signing keys and types of authorization details when it is made, so another one follows
 * when they change.
 */
export function createCurrentEngine(
  dependencies: AuthorizationServerDependencies,
  log: FastifyBaseLogger,
): () => Engine {
  let engine = createEngine(dependencies, log)
  const replace = () => {
    engine = createEngine(dependencies, log)
  }
  dependencies.keys.onReplaced(replace)
  dependencies.detailsTypes.onReplaced(replace)
  return () => engine
}
