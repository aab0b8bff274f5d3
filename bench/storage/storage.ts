import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import type { World } from '../gatehouse/world.ts'
import type { Loader } from '../load/loader.ts'
import type { Progress } from '../output/progress.ts'
import { type Day, measureDay } from './day.ts'
import { type ExpiredGrants, measureExpiredGrants } from './expired-grants.ts'
import { type AmongKeys, measureManyKeys } from './many-keys.ts'

/** What a database that fills up, and empties, does to the server. */
export interface Storage {
  readonly expiredGrants: ExpiredGrants
  readonly manyKeys: readonly AmongKeys[]
  readonly day: Day
}

export interface StorageOptions {
  readonly databaseUrl: string
  readonly world: World
  readonly grants: number
  readonly keys: number
  readonly minutes: number
}

export async function measureStorage(
  gatehouse: Gatehouse,
  loader: Loader,
  options: StorageOptions,
  progress: Progress,
): Promise<Storage> {
  const expiredGrants = await measureExpiredGrants(gatehouse, loader, options, progress)
  const manyKeys = await measureManyKeys(loader, options, progress)
  return { expiredGrants, manyKeys, day: await measureDay(loader, options, progress) }
}
