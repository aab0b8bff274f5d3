import { ask, startScript, stopScript } from '../processes/processes.ts'
import type { LoadOrder, LoadResult } from './load.ts'

/** Sends load from a process of its own. */
export interface Loader {
  run(order: LoadOrder): Promise<LoadResult>
  stop(): Promise<void>
}

export function startLoader(): Loader {
  const script = 'load/generator.ts'
  const child = startScript(script)
  return {
    run(order) {
      child.send(order)
      return ask<LoadResult>(child, script)
    },
    stop: () => stopScript(child),
  }
}
