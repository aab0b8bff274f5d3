import type { Sealer } from './sealed.ts'

/** How many values were sealed anew, of how many. */
export interface ResealOutcome {
  readonly resealed: number
  readonly of: number
}

/**
 * Seals every value anew that is not sealed under the first of SECRET_KEYS; one that changes or goes meanwhile is left.
 * @param purposeOf what a value was sealed for, by the name of its row
 * @param replace puts one in the place of the value before, if that is still there; answers the rows that it changed
 */
export async function reseal(
  sealer: Sealer,
  purposeOf: (name: string) => string,
  rows: readonly { readonly name: string; readonly sealed: string }[],
  replace: (name: string, before: string, anew: string) => Promise<readonly unknown[]>,
): Promise<ResealOutcome> {
  let resealed = 0
  for (const { name, sealed } of rows) {
    if (sealer.isSealedUnderFirst(sealed)) continue
    const anew = await sealer.seal(purposeOf(name), await sealer.open(purposeOf(name), sealed))
    resealed += (await replace(name, sealed, anew)).length
  }
  return { resealed, of: rows.length }
}
