import { and, eq, gt } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { digest } from '../secrets/opaque-token.ts'
import { type ResealOutcome, reseal } from '../secrets/reseal.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { upstreamAttempts } from './schema.ts'

/** How long a person may take at the upstream, and then to say that an account is to be made. */
export const ATTEMPT_MS = 10 * 60 * 1000

/** Where a value is kept: for an upstream, under what those know together who may have it again. */
export interface Place {
  readonly upstreamId: string
  /** Bearer values and a word that tells what this is, in an order of its own. */
  readonly known: readonly string[]
}

/** Keeps a value for {@link ATTEMPT_MS}; the one that was kept there before is gone. */
export async function keepAttempt(
  db: Database,
  sealer: Sealer,
  { upstreamId, known }: Place,
  value: object,
  now: Date,
): Promise<void> {
  const name = nameOf(known)
  const sealed = await sealer.seal(sealPurpose(name), JSON.stringify(value))
  const row = { upstreamId, sealed, expiresAt: new Date(now.getTime() + ATTEMPT_MS) }
  await db
    .insert(upstreamAttempts)
    .values({ digest: name, ...row })
    .onConflictDoUpdate({ target: upstreamAttempts.digest, set: row })
}

/** Takes a value out, by one conditional statement: of two that ask for it one has it. */
export async function takeAttempt<Value>(
  db: Database,
  sealer: Sealer,
  place: Place,
  now: Date,
): Promise<Value | undefined> {
  const [taken] = await db.delete(upstreamAttempts).where(isAt(place, now)).returning()
  return taken && open<Value>(sealer, taken)
}

/** The value, which stays where it is. */
export async function findAttempt<Value>(
  db: Database,
  sealer: Sealer,
  place: Place,
  now: Date,
): Promise<Value | undefined> {
  const [found] = await db.select().from(upstreamAttempts).where(isAt(place, now))
  return found && open<Value>(sealer, found)
}

/** Seals every value anew that is not sealed under the first of SECRET_KEYS. */
export async function resealAttempts(db: Database, sealer: Sealer): Promise<ResealOutcome> {
  const { digest: name, sealed } = upstreamAttempts
  const rows = await db.select({ name, sealed }).from(upstreamAttempts)
  return reseal(sealer, sealPurpose, rows, (which, before, anew) =>
    db
      .update(upstreamAttempts)
      .set({ sealed: anew })
      .where(and(eq(name, which), eq(sealed, before)))
      .returning({ name }),
  )
}

async function open<Value>(sealer: Sealer, row: { digest: string; sealed: string }): Promise<Value> {
  return JSON.parse(await sealer.open(sealPurpose(row.digest), row.sealed)) as Value
}

const isAt = ({ upstreamId, known }: Place, now: Date) =>
  and(
    eq(upstreamAttempts.digest, nameOf(known)),
    eq(upstreamAttempts.upstreamId, upstreamId),
    gt(upstreamAttempts.expiresAt, now),
  )

const nameOf = (known: readonly string[]) => digest(known.join(' '))

const sealPurpose = (name: string) => `upstream-attempt:${name}`
