import type { Database } from '../database/client.ts'
import type { Sealer } from '../secrets/sealed.ts'
import type { KeyRing } from './key-ring.ts'
import { loadSigningKeys } from './signing-keys.ts'

/**
 * Follows key rotations made by other processes: looks every `intervalMs`, and calls `onChange` when
 * the keys in force are others.
 * @returns stops looking
 */
export function followKeys(
  { db, sealer, keys }: { db: Database; sealer: Sealer; keys: KeyRing },
  intervalMs: number,
  onChange: () => void,
  onError: (error: unknown) => void,
): () => void {
  const look = async () => {
    if (keys.replace(await loadSigningKeys(db, sealer))) onChange()
  }
  const timer = setInterval(() => look().catch(onError), intervalMs)
  timer.unref()
  return () => clearInterval(timer)
}
