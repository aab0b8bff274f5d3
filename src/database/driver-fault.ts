/**
 * Whether an uncaught error is that of postgres.js writing to a connection that was lost in a transaction
 * (porsager/postgres#1208). Its query was refused already and its pool goes on, so the process may too.
 */
export function isLostConnectionFault(error: unknown): boolean {
  if (!(error instanceof TypeError)) return false
  return /reading 'write'/.test(error.message) && /postgres\/src\/connection\.js/.test(error.stack ?? '')
}
