import { and, eq, isNull, sql } from 'drizzle-orm'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import { OPERATOR, type Origin, record } from '../audit/audit.ts'
import { announce } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { signingKeys } from '../database/schema.ts'
import type { Sealer } from '../secrets/sealed.ts'

/** One key, one purpose, one algorithm (RFC 8725 3.1): provider tokens, first-party JWTs and checkpoints never share one. */
export type Purpose = 'authorization_server' | 'first_party' | 'audit'
export type SigningAlg = 'ES256' | 'RS256'

/** A signing key with its private part, opened. */
export interface SigningKey {
  readonly kid: string
  readonly purpose: Purpose
  readonly alg: SigningAlg
  readonly publicJwk: JWK
  readonly privateJwk: JWK
  /** When it stopped signing; undefined for the one that signs. */
  readonly retiredAt: Date | undefined
}

/** Any constant, as long as nothing else in the database locks the same one. */
const LOCK = 6_749_002

const WANTED: readonly { purpose: Purpose; alg: SigningAlg }[] = [
  { purpose: 'authorization_server', alg: 'ES256' },
  { purpose: 'authorization_server', alg: 'RS256' },
  { purpose: 'first_party', alg: 'ES256' },
  { purpose: 'audit', alg: 'ES256' },
]

/** Every key, the signing ones first, then the newest. */
export async function loadSigningKeys(db: Database, sealer: Sealer): Promise<SigningKey[]> {
  const rows = await db.select().from(signingKeys)
  const keys = await Promise.all(
    rows.map(async (row) => {
      const privateJwk = JSON.parse(await sealer.open(sealPurpose(row.kid), row.sealedPrivateJwk)) as JWK
      return {
        kid: row.kid,
        purpose: row.purpose,
        alg: row.alg,
        publicJwk: publicPartOf(privateJwk),
        privateJwk,
        retiredAt: row.retiredAt ?? undefined,
        createdAt: row.createdAt,
      }
    }),
  )
  return keys.sort(
    (a, b) =>
      Number(a.retiredAt !== undefined) - Number(b.retiredAt !== undefined) ||
      Number(b.createdAt) - Number(a.createdAt),
  )
}

/** Makes the keys that are missing, which on a new database is all of them; processes that start together take turns. */
export async function ensureSigningKeys(db: Database, sealer: Sealer, now: Date): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${LOCK}::bigint)`)
    const rows = await tx
      .select({ purpose: signingKeys.purpose, alg: signingKeys.alg })
      .from(signingKeys)
      .where(isNull(signingKeys.retiredAt))
    for (const wanted of WANTED) {
      if (rows.some((row) => row.purpose === wanted.purpose && row.alg === wanted.alg)) continue
      await insertSigningKey(tx, sealer, wanted, now, {})
    }
  })
}

/**
 * Makes a new key for each purpose and algorithm and retires the ones that sign. A retired key is
 * still published, and still verifies what it signed.
 */
export async function rotateSigningKeys(db: Database, sealer: Sealer, now: Date): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${LOCK}::bigint)`)
    for (const wanted of WANTED) {
      const retired = await tx
        .update(signingKeys)
        .set({ retiredAt: now })
        .where(
          and(eq(signingKeys.purpose, wanted.purpose), eq(signingKeys.alg, wanted.alg), isNull(signingKeys.retiredAt)),
        )
        .returning({ kid: signingKeys.kid })
      for (const { kid } of retired) {
        await record(tx, { type: 'signing_key.retire', ...OPERATOR, details: { kid, ...wanted } })
      }
      await insertSigningKey(tx, sealer, wanted, now, OPERATOR)
    }
    await announce(tx, ['keys signing'], now)
  })
}

/** The keys as the operator sees them: no private part. */
export function listSigningKeys(db: Database) {
  return db
    .select({
      kid: signingKeys.kid,
      purpose: signingKeys.purpose,
      alg: signingKeys.alg,
      createdAt: signingKeys.createdAt,
      retiredAt: signingKeys.retiredAt,
    })
    .from(signingKeys)
    .orderBy(signingKeys.createdAt)
}

async function insertSigningKey(
  db: Database,
  sealer: Sealer,
  { purpose, alg }: { purpose: Purpose; alg: SigningAlg },
  now: Date,
  origin: Origin,
): Promise<void> {
  const pair = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 })
  const publicPart = await exportJWK(pair.publicKey)
  const kid = await calculateJwkThumbprint(publicPart)
  const named = { kid, alg, use: 'sig' }
  await db.insert(signingKeys).values({
    kid,
    purpose,
    alg,
    publicJwk: { ...publicPart, ...named },
    sealedPrivateJwk: await sealer.seal(
      sealPurpose(kid),
      JSON.stringify({ ...(await exportJWK(pair.privateKey)), ...named }),
    ),
    createdAt: now,
  })
  await record(db, { type: 'signing_key.create', ...origin, details: { kid, purpose, alg } })
}

/** Of what is sealed, not of the column beside it: whoever can write to the database cannot have us trust a key of theirs. */
function publicPartOf({ d, p, q, dp, dq, qi, ...publicJwk }: JWK): JWK {
  return publicJwk
}

const sealPurpose = (kid: string) => `signing-key:${kid}`
