import { type Account, createAccountWithoutPassword } from '../accounts/accounts.ts'
import type { Origin } from '../audit/audit.ts'
import type { Database } from '../database/client.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { findAttempt, keepAttempt, takeAttempt } from './attempts.ts'
import { type Identity, linkIdentity } from './identities.ts'
import { type Arrival, attemptIsOver, type Purpose } from './sign-ins.ts'

/** Somebody who signed in at an upstream, has no account here, and has not said yet that one is to be made. */
export interface Newcomer {
  readonly identity: Identity
  /** In milliseconds since the epoch. */
  readonly authenticatedAt: number
  readonly interaction?: Purpose['interaction']
  /** What the upstream says of the person, to start from. */
  readonly email?: string
  readonly name?: string
}

/** A browser at an upstream, which has one newcomer at most. */
interface At {
  readonly upstreamId: string
  readonly browser: string
}

const placeOf = ({ upstreamId, browser }: At) => ({ upstreamId, known: ['new-account', browser] })

/** Keeps a newcomer until the account is made. */
export async function keepNewcomer(db: Database, sealer: Sealer, at: At, arrival: Arrival, now: Date): Promise<void> {
  const { identity, authenticatedAt, purpose } = arrival
  const newcomer: Newcomer = {
    ...(await arrival.profile()),
    identity,
    authenticatedAt: authenticatedAt.getTime(),
    ...(purpose.interaction && { interaction: purpose.interaction }),
  }
  await keepAttempt(db, sealer, placeOf(at), newcomer, now)
}

/** @throws {PublicError} 400 when this browser has none, or not any more */
export async function requireNewcomer(db: Database, sealer: Sealer, at: At, now: Date): Promise<Newcomer> {
  const newcomer = await findAttempt<Newcomer>(db, sealer, placeOf(at), now)
  if (newcomer === undefined) throw attemptIsOver()
  return newcomer
}

/**
 * Makes the account of a newcomer, once, in a transaction. Its e-mail is what the person says: nobody has checked it, as
 * nobody checks that of any other account.
 * @throws {PublicError} 400 when this browser has no newcomer any more
 * @throws {Conflict} when the e-mail has an account: that is not this person's because an upstream says so
 */
export async function createAccountOfNewcomer(
  tx: Database,
  sealer: Sealer,
  at: At,
  input: { readonly email: string; readonly name?: string | undefined },
  now: Date,
  origin: Origin,
): Promise<Account> {
  const newcomer = await takeAttempt<Newcomer>(tx, sealer, placeOf(at), now)
  if (newcomer === undefined) throw attemptIsOver()
  const account = await createAccountWithoutPassword(tx, input, origin)
  await linkIdentity(tx, account.id, newcomer.identity, origin)
  return account
}
