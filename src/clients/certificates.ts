import { X509Certificate } from 'node:crypto'
import { InvalidRequest } from '../errors.ts'
import { isSubjectMember } from '../secrets/certificates.ts'

/** By what a client authenticates: a certificate that an authority issued to a subject, or one of its own (RFC 8705 2). */
export type ClientCertificate = { readonly subject: string; readonly value: string } | { readonly selfSigned: string }

/**
 * The metadata of a client that authenticates by a certificate.
 * @throws {InvalidRequest} for a subject that is none of RFC 8705 2.1.2, or what is no certificate
 */
export function certificateMetadata(certificate: ClientCertificate): Record<string, unknown> {
  if ('subject' in certificate) {
    const member = `tls_client_auth_${certificate.subject}`
    if (!isSubjectMember(member)) throw new InvalidRequest(`A certificate has no ${certificate.subject}.`)
    return { token_endpoint_auth_method: 'tls_client_auth', [member]: certificate.value }
  }
  const { publicKey, raw } = readCertificate(certificate.selfSigned)
  const jwk = { ...publicKey.export({ format: 'jwk' }), use: 'sig', x5c: [raw.toString('base64')] }
  return { token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks: { keys: [jwk] } }
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw new InvalidRequest('That is no certificate in PEM.', { cause })
  }
}
