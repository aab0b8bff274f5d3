import { PGlite } from '@electric-sql/pglite'

/** The default of 128 MB of shared buffers would be half the memory of the process. */
const SETTINGS = ['-c', 'shared_buffers=16MB']

/**
 * Opens a PGlite data directory, which is made when it is not there. Run Node with `--liftoff-only`:
 * optimizing PostgreSQL's WebAssembly takes 600 MB for a moment, 60 MB for good, and makes no query faster.
 */
export function openPGlite(data: string): Promise<PGlite> {
  return PGlite.create(data, { startParams: [...PGlite.defaultStartParams, ...SETTINGS] })
}
