import { and, eq } from 'drizzle-orm'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Database } from '../database/client.ts'
import { signingKeys } from '../database/schema.ts'
import { type ResealOutcome, reseal } from '../secrets/reseal.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { isCurrent, isRetired, type KeyStates, type SigningAlg } from './schedule.ts'

/** A signing key with its private part, opened. */
export interface SigningKey extends KeyStates {
  readonly publicJwk: JWK
  readonly privateJwk: JWK
}

/** Every key: the ones that sign first, then the next ones, then the retired ones, the newest first. */
export async function loadSigningKeys(db: Database, sealer: Sealer): Promise<SigningKey[]> {
  const rows = await db.select().from(signingKeys)
  const keys = await Promise.all(
    rows.map(async ({ sealedPrivateJwk, ...row }) => {
      const privateJwk = JSON.parse(await sealer.open(sealPurpose(row.kid), sealedPrivateJwk)) as JWK
      return { ...statesOf(row), publicJwk: publicPartOf(privateJwk), privateJwk }
    }),
  )
  const rank = (key: KeyStates) => (isCurrent(key) ? 0 : isRetired(key) ? 2 : 1)
  return keys.sort(
    (a, b) => rank(a) - rank(b) || Number(b.createdAt) - Number(a.createdAt) || a.alg.localeCompare(b.alg),
  )
}

/** The keys without their private part, which are those the operator sees, the oldest first. */
export async function listSigningKeys(db: Database): Promise<KeyStates[]> {
  const { kid, purpose, alg, createdAt, activatedAt, retiredAt } = signingKeys
  const columns = { kid, purpose, alg, createdAt, activatedAt, retiredAt }
  return (await db.select(columns).from(signingKeys).orderBy(createdAt, purpose, alg)).map(statesOf)
}

/** A new key for a row of its own, its private part sealed. */
export async function makeSigningKey(
  sealer: Sealer,
  alg: SigningAlg,
): Promise<Pick<typeof signingKeys.$inferInsert, 'kid' | 'alg' | 'publicJwk' | 'sealedPrivateJwk'>> {
  const pair = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 })
  const publicPart = await exportJWK(pair.publicKey)
  const kid = await calculateJwkThumbprint(publicPart)
  const named = { kid, alg, use: 'sig' }
  const privateJwk = { ...(await exportJWK(pair.privateKey)), ...named }
  return {
    kid,
    alg,
    publicJwk: { ...publicPart, ...named },
    sealedPrivateJwk: await sealer.seal(sealPurpose(kid), JSON.stringify(privateJwk)),
  }
}

/** Seals every key anew that is not sealed under the first of SECRET_KEYS. */
export async function resealSigningKeys(db: Database, sealer: Sealer): Promise<ResealOutcome> {
  const { kid, sealedPrivateJwk } = signingKeys
  const rows = await db.select({ name: kid, sealed: sealedPrivateJwk }).from(signingKeys)
  return reseal(sealer, sealPurpose, rows, (name, before, anew) =>
    db
      .update(signingKeys)
      .set({ sealedPrivateJwk: anew })
      .where(and(eq(kid, name), eq(sealedPrivateJwk, before)))
      .returning({ kid }),
  )
}

function statesOf(
  row: Pick<typeof signingKeys.$inferSelect, 'kid' | 'purpose' | 'alg' | 'createdAt' | 'activatedAt' | 'retiredAt'>,
): KeyStates {
  const { kid, purpose, alg, createdAt, activatedAt, retiredAt } = row
  return { kid, purpose, alg, createdAt, activatedAt: activatedAt ?? undefined, retiredAt: retiredAt ?? undefined }
}

/** Of what is sealed, not of the column beside it: whoever can write to the database cannot have us trust a key of theirs. */
function publicPartOf({ d, p, q, dp, dq, qi, ...publicJwk }: JWK): JWK {
  return publicJwk
}

const sealPurpose = (kid: string) => `signing-key:${kid}`
