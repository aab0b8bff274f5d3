import { availableParallelism, cpus, totalmem, type } from 'node:os'

/** Where and when figures were taken. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
  readonly database: string
  readonly date: string
}

export function describeMachine(database: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${process.arch}`,
    node: process.version,
    database,
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
  }
}
