import { resolve } from 'node:path'
import { type Address, type Database, openDatabase } from './client.ts'
import { embeddedSocket, isListening } from './embedded-socket.ts'
import { migrateDatabase } from './migrate.ts'

/** An open, migrated database. */
export interface Storage {
  readonly db: Database
  readonly address: Address
  close(): Promise<void>
}

export interface Place {
  readonly databaseUrl: string | undefined
  readonly dataDir: string
}

/** Opens the database of a server: the one of DATABASE_URL, or the embedded one, which becomes this process's. */
export async function openStorage({ databaseUrl, dataDir }: Place): Promise<Storage> {
  if (databaseUrl !== undefined) return openMigrated({ url: databaseUrl }, async () => {})
  const { startEmbedded } = await import('./embedded.ts')
  const embedded = await startEmbedded(resolve(dataDir))
  return openMigrated(embedded.address, () => embedded.close())
}

/**
 * Opens the database of a command: like {@link openStorage}, but an embedded one that a server has open is
 * shared with it, also one that was only starting when the command came; and whoever gives it waits for the answer.
 */
export async function joinStorage(place: Place): Promise<Storage> {
  if (place.databaseUrl !== undefined) return openMigrated({ url: place.databaseUrl }, async () => {}, true)
  const socket = embeddedSocket(resolve(place.dataDir))
  const join = () => openMigrated({ socket }, async () => {})
  if (await isListening(socket)) return join()
  return openStorage(place).catch(async (error: unknown) => {
    if (await isListening(socket)) return join()
    throw error
  })
}

async function openMigrated(address: Address, closeServer: () => Promise<void>, patient = false): Promise<Storage> {
  try {
    await migrateDatabase(address)
  } catch (error) {
    await closeServer()
    throw error
  }
  const { db, close } = openDatabase(address, { patient })
  return {
    db,
    address,
    async close() {
      await close()
      await closeServer()
    },
  }
}
