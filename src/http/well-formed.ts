import type { FastifyRequest } from 'fastify'
import { InvalidRequest } from '../errors.ts'

/**
 * Refuses text that no column can hold and no one means: a NUL, or half a surrogate pair.
 * @throws {InvalidRequest} when body, query or path holds any
 */
export async function requireWellFormed(request: FastifyRequest): Promise<void> {
  // No recursion: a body may be nested deeper than the stack is.
  const rest: unknown[] = [request.body, request.query, request.params]
  while (rest.length > 0) {
    const value = rest.pop()
    if (typeof value === 'string') requireText(value)
    else if (typeof value === 'object' && value !== null) for (const entry of Object.entries(value)) rest.push(...entry)
  }
}

function requireText(text: string): void {
  if (!text.isWellFormed() || text.includes('\0'))
    throw new InvalidRequest('The request holds a NUL or broken Unicode.')
}
