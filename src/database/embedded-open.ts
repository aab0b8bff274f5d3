import { PGlite } from '@electric-sql/pglite'

/** The default of 128 MB of shared buffers would be half the memory of the process. */
const SETTINGS = ['-c', 'shared_buffers=16MB']

/** ReadyForQuery, with nothing begun. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])
const TERMINATE = 0x58

/**
 * Opens a PGlite data directory, which is made when it is not there. Run Node with `--liftoff-only`:
 * optimizing PostgreSQL's WebAssembly takes 600 MB for a moment, 60 MB for good, and makes no query faster.
 */
export async function openPGlite(data: string): Promise<PGlite> {
  return keepTurns(await PGlite.create(data, { startParams: [...PGlite.defaultStartParams, ...SETTINGS] }))
}

/**
 * Has each connection of the socket server keep its turn until its query has ended. By itself the server
 * changes turns between the messages of a query, unless a transaction is open: all connections being one
 * session, the unnamed statement that one has parsed would be run by another.
 */
function keepTurns(pglite: PGlite): PGlite {
  const run = pglite.execProtocolRawStream.bind(pglite)
  let tail: Buffer = READY
  pglite.isInTransaction = () => !tail.equals(READY)
  pglite.execProtocolRawStream = (message, options) => {
    if (message[0] !== TERMINATE) tail = Buffer.alloc(0)
    const onRawData = (part: Uint8Array) => {
      tail = Buffer.concat([tail, part]).subarray(-READY.length)
      options.onRawData(part)
    }
    return run(message, { ...options, onRawData })
  }
  return pglite
}
