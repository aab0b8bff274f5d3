import {
  CredentialRequired,
  DpopNonceRequired,
  InsufficientScope,
  InvalidDpopProof,
  InvalidSignIn,
  type PublicError,
  ReauthenticationRequired,
  WrongScheme,
} from '../errors.ts'
import { DPOP_ALGS } from './dpop-proof.ts'

type Parameters = readonly (readonly [name: string, value: string])[]

/** RFC 6750 3: error descriptions keep to these characters. */
const clean = (text: string) => text.replace(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, ' ')

const ALGS = ['algs', DPOP_ALGS.join(' ')] as const

/**
 * The `WWW-Authenticate` challenges of a 401 or 403 (RFC 6750 3, RFC 9449 7.1, RFC 9470 3, RFC 9728 5.1): of both
 * schemes and without an error code when no credential was presented, else of the one that it must come by.
 * @param asked.scope what the route asks for, which a client that comes without a token is told to ask for
 * @param asked.isDpop whether the credential came by the DPoP scheme
 */
export function challenge(
  error: PublicError,
  {
    resourceMetadata,
    scope,
    isDpop,
  }: { resourceMetadata: string | undefined; scope?: string | undefined; isDpop: boolean },
): string[] {
  const needed = error instanceof InsufficientScope ? error.scope : error.status === 401 ? scope : undefined
  const where: Parameters = [
    ...(needed === undefined ? [] : [['scope', needed] as const]),
    ...(error instanceof ReauthenticationRequired ? [['max_age', String(error.maxAge)] as const] : []),
    ...(resourceMetadata === undefined ? [] : [['resource_metadata', resourceMetadata] as const]),
  ]
  if (error instanceof InvalidSignIn) return [written('Bearer', where)]
  if (error instanceof CredentialRequired) return [written('Bearer', where), written('DPoP', [ALGS, ...where])]
  const what: Parameters = [
    ['error', codeOf(error)],
    ['error_description', clean(error.message)],
  ]
  if (isDpop || error instanceof WrongScheme) return [written('DPoP', [...what, ALGS, ...where])]
  return [written('Bearer', [...what, ...where])]
}

function codeOf(error: PublicError): string {
  const hasOwn =
    error instanceof ReauthenticationRequired || error instanceof InvalidDpopProof || error instanceof DpopNonceRequired
  if (hasOwn) return error.code
  return error.status === 401 ? 'invalid_token' : 'insufficient_scope'
}

function written(scheme: string, parameters: Parameters): string {
  return `${scheme} ${parameters.map(([name, value]) => `${name}="${value}"`).join(', ')}`
}
