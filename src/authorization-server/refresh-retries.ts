import { aliasedTable, and, eq, gt, inArray, isNull } from 'drizzle-orm'
import { type KoaContextWithOIDC, Provider } from 'oidc-provider'
import { providerModels } from '../database/schema.ts'
import { digest, makeOpaqueToken } from '../secrets/opaque-token.ts'
import { mayRetry } from '../secrets/single-use.ts'
import type { Successors } from '../secrets/successors.ts'
import { rotatedRefreshToken } from './engine-internals.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/**
 * Refresh tokens whose rotation is asked for again by who has not got the answer: the same successor is given,
 * for half a minute and until it is used. All else the engine does with a consumed one stays (RFC 9700 4.14.2).
 */
export interface RefreshRetries {
  /** Whether this token was rotated a moment ago, and what came of it has not been used; asked in token requests. */
  isRetry(token: string): Promise<boolean>
  /** Whether this is the successor that the token request under way gives again; it is stored already. */
  isGivenAgain(token: string): boolean
  /** Whether a token request gives, or gave, a successor again. */
  isRetrying(ctx: KoaContextWithOIDC): boolean
  /** The identifier of a refresh token that the engine makes: random, or derived from the one it follows. */
  makeToken(): string
}

const successor = aliasedTable(providerModels, 'successor')

export function createRefreshRetries(work: UnitOfWork, successors: Successors): RefreshRetries {
  /** By request, what is given again. */
  const givenAgain = new WeakMap<object, string>()

  return {
    async isRetry(token) {
      const { ctx } = Provider
      if (ctx?.oidc.route !== 'token') return false
      const now = new Date()
      const [row] = await work.db
        .select({ consumedAt: providerModels.consumedAt, successor: successor.id })
        .from(providerModels)
        .innerJoin(
          successor,
          and(
            eq(successor.model, 'RefreshToken'),
            inArray(successor.id, successors.digestsOf(token)),
            eq(successor.grantId, providerModels.grantId),
            isNull(successor.consumedAt),
            gt(successor.expiresAt, now),
          ),
        )
        .where(and(eq(providerModels.model, 'RefreshToken'), eq(providerModels.id, digest(token))))
      if (row?.consumedAt == null || !mayRetry(row.consumedAt, now)) return false
      givenAgain.set(ctx.req, successors.withDigest(token, row.successor) as string)
      return true
    },

    isGivenAgain(token) {
      const { ctx } = Provider
      return ctx !== undefined && givenAgain.get(ctx.req) === token
    },

    isRetrying: ({ req }) => givenAgain.has(req),

    makeToken() {
      const { ctx } = Provider
      const rotated = rotatedRefreshToken()
      if (ctx === undefined || rotated === undefined) return makeOpaqueToken()
      return givenAgain.get(ctx.req) ?? successors.of(rotated)
    },
  }
}
