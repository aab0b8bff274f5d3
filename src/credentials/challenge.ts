import { CredentialRequired, InsufficientScope, InvalidSignIn, type PublicError } from '../errors.ts'

/** RFC 6750 3: error descriptions keep to these characters. */
const clean = (text: string) => text.replace(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, ' ')

/**
 * The `WWW-Authenticate` challenge of a 401 or 403 (RFC 6750 3, RFC 9728 5.1). Without an error code
 * when no credential of the scheme was presented.
 */
export function challenge(error: PublicError, resourceMetadata: string): string {
  const parameters: [string, string][] = []
  if (!(error instanceof CredentialRequired || error instanceof InvalidSignIn)) {
    const code = error.status === 401 ? 'invalid_token' : 'insufficient_scope'
    parameters.push(['error', code], ['error_description', clean(error.message)])
  }
  if (error instanceof InsufficientScope) parameters.push(['scope', error.scope])
  parameters.push(['resource_metadata', resourceMetadata])
  return `Bearer ${parameters.map(([name, value]) => `${name}="${value}"`).join(', ')}`
}
