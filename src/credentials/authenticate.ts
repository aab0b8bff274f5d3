import type { FastifyRequest } from 'fastify'
import { CredentialRequired, InvalidRequest } from '../errors.ts'
import type { Principal } from './principal.ts'
import type { CredentialVerifier } from './verifier.ts'

/**
 * Who is calling. The form of what is presented chooses the one verifier that judges it; its answer is final.
 * @throws {CredentialRequired} when nothing is presented
 * @throws {InvalidRequest} when more than one credential is (RFC 6750 2), or one stands in the query
 * @throws {InvalidCredential} when the credential is not good
 */
export async function authenticate(
  verifiers: readonly CredentialVerifier[],
  request: FastifyRequest,
  now: Date,
): Promise<Principal> {
  const { authorization = [], 'x-api-key': apiKey = [] } = request.raw.headersDistinct
  if (authorization.length + apiKey.length > 1) {
    throw new InvalidRequest('A request takes one credential: one Authorization or one X-API-Key header.')
  }
  if (Object.hasOwn(request.query as object, 'access_token')) {
    throw new InvalidRequest('A credential is never taken from the query string.')
  }
  for (const verifier of verifiers) {
    const presented = verifier.presented(request)
    if (presented !== undefined) return verifier.verify(presented, now)
  }
  throw new CredentialRequired()
}
