import type { FastifyRequest } from 'fastify'
import { InvalidRequest } from '../errors.ts'

/**
 * Refuses text that no column can hold and no one means: a NUL, or half a surrogate pair.
 * @throws {InvalidRequest} when body, query or path holds any
 */
export async function requireWellFormed(request: FastifyRequest): Promise<void> {
  requireWellFormedText([request.body, request.query, request.params])
}

/**
 * The same of any value that JSON can hold.
 * @param maxDepth how deep it may be nested
 * @throws {InvalidRequest}
 */
export function requireWellFormedText(value: unknown, maxDepth = Number.POSITIVE_INFINITY): void {
  // No recursion: a body may be nested deeper than the stack is.
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > maxDepth) throw new InvalidRequest('The request is nested too deeply.')
    const below: unknown[] = []
    for (const inner of level) {
      if (typeof inner === 'string') requireText(inner)
      else if (typeof inner === 'object' && inner !== null) {
        for (const entry of Object.entries(inner)) below.push(...entry)
      }
    }
    level = below
  }
}

/** What shows nothing or moves what is shown: control, format, filler and direction characters. */
const UNSHOWN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u

/** Whether a text holds what hides or reorders its letters from who reads it. */
export const holdsUnshown = (text: string): boolean => UNSHOWN.test(text)

function requireText(text: string): void {
  if (!text.isWellFormed() || text.includes('\0'))
    throw new InvalidRequest('The request holds a NUL or broken Unicode.')
}
