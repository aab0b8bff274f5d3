import { and, eq, isNull } from 'drizzle-orm'
import { errors } from 'oidc-provider'
import type { Database } from '../database/client.ts'
import { providerModels } from '../database/schema.ts'
import { digest } from '../secrets/opaque-token.ts'

/**
 * Claims an interaction for who answers it first: a form that is sent twice counts once.
 * @throws {errors.SessionNotFound} when it was answered before, or is gone
 */
export async function claimInteraction(db: Database, uid: string): Promise<void> {
  const claimed = await db
    .update(providerModels)
    .set({ consumedAt: new Date() })
    .where(
      and(
        eq(providerModels.model, 'Interaction'),
        eq(providerModels.id, digest(uid)),
        isNull(providerModels.consumedAt),
      ),
    )
    .returning({ id: providerModels.id })
  if (claimed.length === 0) throw new errors.SessionNotFound('the question was answered before')
}
