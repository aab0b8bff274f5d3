import type { FastifyRequest } from 'fastify'
import { InvalidCredential, InvalidDpopProof } from '../errors.ts'
import type { FindCertificate } from '../http/client-certificate.ts'
import { thumbprint } from '../secrets/certificates.ts'
import type { Confirmation } from './confirmation.ts'
import { type ProofRules, verifyDpopProof } from './dpop-proof.ts'
import { dpopToken } from './presented.ts'
import type { UseOnce } from './use-once.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The nonce that its client is to use from now on. */
    nextNonce: string | undefined
  }
}

export interface PossessionDependencies extends ProofRules {
  readonly issuer: string
  readonly useOnce: UseOnce
  readonly findCertificate: FindCertificate
}

/** Checks, for one request, that who presents a bound token has what it is bound to. */
export type ProvePossession = (request: FastifyRequest, confirmation: Confirmation, now: Date) => Promise<void>

/**
 * Possession is proven by each request anew (RFC 9449 7, RFC 8705 3), also of a token that is remembered.
 *
 * It throws {@link InvalidDpopProof}, {@link DpopNonceRequired} or {@link InvalidCredential}.
 */
export function createPossession(dependencies: PossessionDependencies): ProvePossession {
  const { issuer, useOnce, findCertificate, ...rules } = dependencies

  return async (request, { jkt, x5t }, now) => {
    if (x5t !== undefined) {
      const certificate = findCertificate(request.raw)
      if (certificate === undefined || thumbprint(certificate) !== x5t)
        throw new InvalidCredential('bound to a certificate that did not come with it')
    }
    if (jkt !== undefined) await proveKey(request, jkt, now)
  }

  async function proveKey(request: FastifyRequest, jkt: string, now: Date): Promise<void> {
    const proof = request.headers.dpop
    if (typeof proof !== 'string') throw new InvalidDpopProof('no proof')
    const token = dpopToken(request) ?? ''
    const proven = { method: request.method, url: issuer + request.url, token, jkt }
    request.nextNonce = rules.nonces.next(now)
    const { jti, until } = await verifyDpopProof(proof, proven, rules, now)
    if (!(await useOnce({ owner: jkt, jti, until }))) throw new InvalidDpopProof('used before')
  }
}
