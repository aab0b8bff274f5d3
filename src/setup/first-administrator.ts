import { and, eq, gt, isNull } from 'drizzle-orm'
import { type Account, createAccount, hasAdministrator } from '../accounts/accounts.ts'
import { type Origin, record } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import { PublicError } from '../errors.ts'
import { digest, makeOpaqueToken } from '../secrets/opaque-token.ts'
import { oneTimeLinks } from './schema.ts'

const LIFETIME_MS = 24 * 60 * 60 * 1000

/** A new one-time token to make the first administrator with; the ones before are void. Undefined once there is one. */
export async function offerFirstAdministrator(db: Database, now: Date): Promise<string | undefined> {
  if (await hasAdministrator(db)) return undefined
  const token = makeOpaqueToken()
  await db.transaction(async (tx) => {
    await tx.delete(oneTimeLinks).where(eq(oneTimeLinks.purpose, 'first_administrator'))
    await tx.insert(oneTimeLinks).values({
      digest: digest(token),
      purpose: 'first_administrator',
      expiresAt: new Date(now.getTime() + LIFETIME_MS),
    })
    await record(tx, { type: 'setup_link.offer', details: { link: digest(token) } })
  })
  return token
}

/** Whether a token would be taken; does not consume it. */
export async function isOffered(db: Database, token: string, now: Date): Promise<boolean> {
  if (await hasAdministrator(db)) return false
  const rows = await db.select({ digest: oneTimeLinks.digest }).from(oneTimeLinks).where(usable(token, now))
  return rows.length > 0
}

/**
 * Makes the first administrator. The token is consumed by one conditional UPDATE in the same
 * transaction: of two tries one wins, and one that fails leaves it good.
 * @throws {PublicError} 400 when the token is not good any more, and what {@link createAccount} throws
 */
export async function createFirstAdministrator(
  db: Database,
  token: string,
  input: { email: string; password: string; name?: string | undefined; host?: string },
  now: Date,
  origin: Origin,
): Promise<Account> {
  return db.transaction(async (tx) => {
    const consumed = await tx
      .update(oneTimeLinks)
      .set({ consumedAt: now })
      .where(usable(token, now))
      .returning({ digest: oneTimeLinks.digest })
    if (consumed.length === 0 || (await hasAdministrator(tx))) throw linkIsOver()
    const by = { ...origin, credential: { kind: 'setup_link', id: digest(token) } }
    return createAccount(tx, { ...input, role: 'admin' }, by)
  })
}

/** The refusal of a link that is used, replaced or too old. */
export function linkIsOver(): PublicError {
  return new PublicError(
    400,
    'link_expired',
    'This link has been used, or is too old. Start the server again for a new one.',
  )
}

function usable(token: string, now: Date) {
  return and(eq(oneTimeLinks.digest, digest(token)), isNull(oneTimeLinks.consumedAt), gt(oneTimeLinks.expiresAt, now))
}
