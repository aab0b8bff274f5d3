import type { Connection } from './connection.ts'

/**
 * Runs work in a transaction of a connection: committed when it succeeds, undone when it fails.
 * On a connection that is lost nothing needs to be undone.
 * @throws what the work throws; or, when it hid that a query failed, that nothing was committed
 */
export async function inTransaction<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
  await connection.run({ text: 'begin' })
  const result = await orUndo(connection, 'rollback', work)
  const { command } = await connection.run({ text: 'commit' })
  if (command !== 'COMMIT') throw new Error('a query of the transaction had failed, so it was undone')
  return result
}

/** Runs work in a part of a transaction: undone when it fails, and the rest may still be committed. */
export async function inSavepoint<T>(connection: Connection, name: string, work: () => Promise<T>): Promise<T> {
  await connection.run({ text: `savepoint ${name}` })
  return orUndo(connection, `rollback to ${name}`, work)
}

async function orUndo<T>(connection: Connection, undo: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!connection.isLost) await connection.run({ text: undo })
    throw error
  }
}
