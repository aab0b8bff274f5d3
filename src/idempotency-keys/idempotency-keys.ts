import { hash } from 'node:crypto'
import { and, eq, isNotNull, sql } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import { IdempotencyKeyReused } from '../errors.ts'
import { digest } from '../secrets/opaque-token.ts'
import { type ResealOutcome, reseal } from '../secrets/reseal.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { idempotencyKeys } from './schema.ts'

/** How long an answer is given again. */
const KEPT_MS = 24 * 60 * 60 * 1000

/** A request that bears an idempotency key. */
export interface KeyedRequest {
  /** Who asks, as a text that is nobody else's. */
  readonly by: string
  readonly key: string
  /** All that tells the request from another. */
  readonly request: string
}

/**
 * Makes something once for a key of a caller's (draft-ietf-httpapi-idempotency-key-header): what was answered to the same
 * request in the last day is answered again. The key is taken in the transaction of the making, so that of several requests
 * at once one makes it and the others wait for its answer; when it fails, the key is free again.
 * @param make makes it, in the transaction; what it answers must survive JSON
 * @throws {IdempotencyKeyReused} when the key was given to another request
 * @throws what `make` throws
 */
export async function makeOnce<Answer extends object>(
  db: Database,
  sealer: Sealer,
  { by, key, request }: KeyedRequest,
  now: Date,
  make: (tx: Database) => Promise<Answer>,
): Promise<Answer> {
  const name = digest(`${by}\n${key}`)
  const isIt = eq(idempotencyKeys.name, name)
  const asked = hash('sha256', request, 'base64url')
  return db.transaction(async (tx) => {
    const taken = await tx
      .insert(idempotencyKeys)
      .values({ name, expiresAt: new Date(now.getTime() + KEPT_MS) })
      .onConflictDoNothing()
      .returning({ name: idempotencyKeys.name })
    if (taken.length > 0) {
      const answer = await make(tx)
      const sealedAnswer = await sealer.seal(purposeOf(name), JSON.stringify({ asked, answer }))
      await tx.update(idempotencyKeys).set({ sealedAnswer }).where(isIt)
      return answer
    }
    const [known] = await tx.select({ sealed: idempotencyKeys.sealedAnswer }).from(idempotencyKeys).where(isIt)
    const before = JSON.parse(await sealer.open(purposeOf(name), known?.sealed ?? '')) as Answered<Answer>
    if (before.asked !== asked) throw new IdempotencyKeyReused()
    return before.answer
  })
}

interface Answered<Answer> {
  readonly asked: string
  readonly answer: Answer
}

/** Seals every answer anew that is not sealed under the first of SECRET_KEYS. */
export async function resealAnswers(db: Database, sealer: Sealer): Promise<ResealOutcome> {
  const { name, sealedAnswer } = idempotencyKeys
  const isAnswered = isNotNull(sealedAnswer)
  const rows = await db
    .select({ name, sealed: sql<string>`${sealedAnswer}` })
    .from(idempotencyKeys)
    .where(isAnswered)
  return reseal(sealer, purposeOf, rows, (which, before, anew) =>
    db
      .update(idempotencyKeys)
      .set({ sealedAnswer: anew })
      .where(and(eq(name, which), eq(sealedAnswer, before)))
      .returning({ name }),
  )
}

const purposeOf = (name: string) => `idempotent-answer:${name}`
