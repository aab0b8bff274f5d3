import type { Configuration } from 'oidc-provider'
import { isIssuedBy, isOfSubject } from '../secrets/certificates.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'

type Dependencies = Pick<AuthorizationServerDependencies, 'config' | 'findCertificate'>
type MutualTls = NonNullable<NonNullable<Configuration['features']>['mTLS']>

/** The methods by which clients authenticate with certificates: those that the operator has switched on. */
export function certificateMethods({ clientCertificates, clientCertificateAuthorities }: Dependencies['config']) {
  if (clientCertificates === 'off') return []
  const selfSigned = 'self_signed_tls_client_auth' as const
  return clientCertificateAuthorities.length === 0 ? [selfSigned] : [selfSigned, 'tls_client_auth' as const]
}

/** Mutual TLS (RFC 8705) as the engine takes it. */
export function createMutualTls({ config, findCertificate }: Dependencies): MutualTls {
  return {
    enabled: config.clientCertificates !== 'off',
    certificateBoundAccessTokens: true,
    selfSignedTlsClientAuth: true,
    tlsClientAuth: config.clientCertificateAuthorities.length > 0,
    getCertificate: ({ req }) => findCertificate(req),
    certificateAuthorized({ req }) {
      const certificate = findCertificate(req)
      return certificate !== undefined && isIssuedBy(config.clientCertificateAuthorities, certificate, new Date())
    },
    certificateSubjectMatches({ req }, property, expected) {
      const certificate = findCertificate(req)
      return certificate !== undefined && isOfSubject(certificate, property, expected)
    },
  }
}
