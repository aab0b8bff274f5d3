import { InvalidRequest } from '../errors.ts'
import { CIBA } from './grant-types.ts'
import type { NewClient } from './new-client.ts'

/** FAPI 2.0 Security Profile, Final. */
export type SecurityProfile = 'fapi2'

/**
 * A client as its profile has it (FAPI 2.0 5.3.2): it authenticates by a key or a certificate, pushes its requests, and
 * gets bound tokens: as it says, else to the certificate by which it authenticates, or by DPoP; what it is told is signed
 * by ES256. What it asks of people who are elsewhere it signs (FAPI-CIBA 5.2.2).
 * @throws {InvalidRequest} for one that cannot be so
 */
export function withProfile(input: NewClient): NewClient {
  if (input.profile === undefined) return input
  if (input.type !== 'web' && input.type !== 'machine') {
    throw new InvalidRequest('FAPI 2.0 is for confidential clients (5.3.2.1): web or machine.')
  }
  if (input.redirectUris.some((uri) => !uri.startsWith('https:'))) {
    throw new InvalidRequest('FAPI 2.0 takes https redirect URIs alone (5.3.2.2).')
  }
  const hasCertificate = input.certificate !== undefined
  const certificateBound = input.certificateBound || (hasCertificate && !input.dpopBound)
  return {
    ...input,
    authentication: hasCertificate ? input.authentication : 'private_key_jwt',
    requirePushedAuthorizationRequests: true,
    requireSignedRequestObject: input.requireSignedRequestObject || input.grantTypes?.includes(CIBA) === true,
    certificateBound,
    dpopBound: input.dpopBound || !certificateBound,
    introspectionAlg: 'ES256',
  }
}

/** What marks its clients, in wire spelling. */
export function profileMetadata(profile: SecurityProfile): Record<string, unknown> {
  const alg = 'ES256'
  return { security_profile: profile, id_token_signed_response_alg: alg, authorization_signed_response_alg: alg }
}
