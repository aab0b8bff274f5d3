import type { FastifyRequest } from 'fastify'
import { InvalidRequest } from '../errors.ts'

/**
 * Refuses text that no column can hold and no one means: a NUL, or half a surrogate pair.
 * @throws {InvalidRequest} when body, query or path holds any
 */
export async function requireWellFormed(request: FastifyRequest): Promise<void> {
  if (![request.body, request.query, request.params].every(isWellFormed)) {
    throw new InvalidRequest('The request holds a NUL or broken Unicode.')
  }
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0')
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, member]) => isWellFormed(name) && isWellFormed(member))
}
