import type { Load } from '../load/load.ts'
import type { ServerProcess } from '../processes/processes.ts'

/** The parts of the table. */
export const GROUPS = {
  route: 'A route without a credential',
  warm: 'Checking a credential that was seen before',
  cold: 'Checking a credential that was never seen',
  refused: 'Refusing a bad credential',
  endpoint: 'Issuing and introspecting',
  rival: 'What one might use instead',
} as const

/** One thing that is measured. */
export interface Case {
  /** As it is given to `--only`. */
  readonly name: string
  readonly title: string
  readonly group: keyof typeof GROUPS
  /** The process that is measured, started when it is first needed. */
  server(): Promise<ServerProcess>
  /** What to send for this long; new each time. */
  load(seconds: number): Promise<Load> | Load
  /** Told what is left of the tokens it gave the load, when it gave any. */
  keep?(tokens: readonly string[]): void
  /** What it has to reach, in requests per CPU second of another case. */
  readonly target?: { readonly against: string; readonly atLeast: number }
}

/** The case that the others are set in relation to. */
export const BASELINE = 'bare'
