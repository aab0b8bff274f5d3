import { and, inArray, isNull, sql } from 'drizzle-orm'
import { OPERATOR, type Origin, record } from '../audit/audit.ts'
import { isSignedBy } from '../audit/log.ts'
import { announce, KEYS_CHANGED, KEYS_DELETED } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { signingKeys } from '../database/schema.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { isNext, type KeySchedule, type KeyStates, planRotation, planSchedule, type RotationPlan } from './schedule.ts'
import { listSigningKeys, makeSigningKey } from './signing-keys.ts'

/** Any constant, as long as nothing else in the database locks the same one. */
const LOCK = 6_749_002

const isEmpty = (plan: RotationPlan) => Object.values(plan).every(({ length }) => length === 0)
const never = () => false
const always = () => true

/** Makes the keys that are missing, which on a new database is all of them. */
export async function ensureSigningKeys(db: Database, sealer: Sealer, now: Date): Promise<void> {
  await apply(db, sealer, now, {}, async (keys) => planRotation(keys, never, never))
}

/** Does what the schedule asks for, if anything. Any number of processes may do so at once. */
export async function followSchedule(db: Database, sealer: Sealer, schedule: KeySchedule, now: Date): Promise<void> {
  await apply(db, sealer, now, {}, async (keys, reader) => {
    const needed = new Set<string>()
    for (const { purpose, kid, alg, retiredAt: until } of keys) {
      if (purpose !== 'audit' || until === undefined) continue
      if (await isSignedBy(reader, { kid, alg, until })) needed.add(kid)
    }
    return planSchedule(keys, schedule, now, needed)
  })
}

/**
 * Has the next keys sign at once and makes other next ones. What the keys before signed stays good: they are retired,
 * and go when the schedule says.
 */
export async function rotateSigningKeys(
  db: Database,
  sealer: Sealer,
  now: Date,
  origin: Origin = OPERATOR,
): Promise<void> {
  await apply(db, sealer, now, origin, async (keys) => planRotation(keys, always, never))
}

/**
 * Makes all keys anew because the ones there are may be known to others: what those signed is refused from now on, also
 * what we did not sign. Only the audit's stay, retired, to verify the days that they signed.
 */
export async function replaceCompromisedKeys(
  db: Database,
  sealer: Sealer,
  now: Date,
  origin: Origin = OPERATOR,
): Promise<void> {
  const isOver = (key: KeyStates) => key.purpose !== 'audit' || isNext(key)
  await apply(db, sealer, now, origin, async (keys) => planRotation(keys, always, isOver))
}

/**
 * Plans and carries it out, one process at a time: who comes second plans again and finds it done. New keys are made
 * before, so that nobody waits for that.
 */
async function apply(
  db: Database,
  sealer: Sealer,
  now: Date,
  origin: Origin,
  plan: (keys: readonly KeyStates[], reader: Database) => Promise<RotationPlan>,
): Promise<void> {
  const foreseen = await plan(await listSigningKeys(db), db)
  if (isEmpty(foreseen)) return
  const made = await Promise.all(foreseen.create.map(({ alg }) => makeSigningKey(sealer, alg)))

  await db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${LOCK}::bigint)`)
    const keys = await listSigningKeys(tx)
    const planned = await plan(keys, tx)
    if (isEmpty(planned)) return
    const tell = async (verb: string, kid: string, { purpose, alg }: Pick<KeyStates, 'purpose' | 'alg'>) =>
      record(tx, { type: `signing_key.${verb}`, ...origin, details: { kid, purpose, alg } })
    const tellOf = async (verb: string, rows: readonly { kid: string }[]) => {
      for (const { kid } of rows) await tell(verb, kid, keys.find((key) => key.kid === kid) as KeyStates)
    }
    const returned = { kid: signingKeys.kid }
    const { kid, activatedAt, retiredAt } = signingKeys

    const retired = await tx
      .update(signingKeys)
      .set({ retiredAt: now })
      .where(and(inArray(kid, planned.retire), isNull(retiredAt)))
      .returning(returned)
    await tellOf('retire', retired)
    const deleted = await tx.delete(signingKeys).where(inArray(kid, planned.delete)).returning(returned)
    await tellOf('delete', deleted)
    const activated = await tx
      .update(signingKeys)
      .set({ activatedAt: now })
      .where(and(inArray(kid, planned.activate), isNull(activatedAt)))
      .returning(returned)
    await tellOf('activate', activated)
    for (const { purpose, alg, signs } of planned.create) {
      const index = made.findIndex((key) => key.alg === alg)
      const key = made.splice(index, index < 0 ? 0 : 1)[0] ?? (await makeSigningKey(sealer, alg))
      await tx.insert(signingKeys).values({ ...key, purpose, createdAt: now, activatedAt: signs ? now : null })
      await tell('create', key.kid, { purpose, alg })
    }
    await announce(tx, deleted.length > 0 ? [KEYS_CHANGED, KEYS_DELETED] : [KEYS_CHANGED], now)
  })
}
