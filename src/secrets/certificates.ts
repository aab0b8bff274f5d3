import { hash, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

/** The SHA-256 of a certificate, base64url: `x5t#S256` (RFC 8705 3.1). */
export const thumbprint = (certificate: X509Certificate) => hash('sha256', certificate.raw, 'base64url')

const CLIENT_AUTHENTICATION = '1.3.6.1.5.5.7.3.2'

/** Whether one of these authorities has issued a certificate itself, for clients, and both are in force. */
export function isIssuedBy(authorities: readonly X509Certificate[], certificate: X509Certificate, now: Date): boolean {
  const inForce = ({ validFrom, validTo }: X509Certificate) => new Date(validFrom) <= now && now <= new Date(validTo)
  // Undefined where the certificate does not say what its key is for.
  const uses = certificate.keyUsage as string[] | undefined
  if (uses !== undefined && !uses.includes(CLIENT_AUTHENTICATION)) return false
  const issued = (authority: X509Certificate) =>
    authority.ca && inForce(authority) && certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
  return inForce(certificate) && authorities.some(issued)
}

const EXACTLY = { subject: 'never', wildcards: false, partialWildcards: false } as const

type Matches = (certificate: X509Certificate, value: string) => boolean

/** The members of a client's metadata that name the subject of its certificate (RFC 8705 2.1.2). */
const SUBJECTS: Readonly<Record<string, Matches>> = {
  tls_client_auth_subject_dn: ({ subject }, value) =>
    (subject ?? '') !== '' && sameNames(subject.split('\n').reverse(), value.split(/(?<!\\),\s*/)),
  tls_client_auth_san_dns: (certificate, value) =>
    /^\w[\w.-]*$/.test(value) && certificate.checkHost(value, EXACTLY) !== undefined,
  tls_client_auth_san_ip: (certificate, value) => isIP(value) !== 0 && certificate.checkIP(value) !== undefined,
  tls_client_auth_san_email: (certificate, value) =>
    /^[\w.+-]+@[\w.-]+$/.test(value) && certificate.checkEmail(value, { subject: 'never' }) !== undefined,
  tls_client_auth_san_uri: ({ subjectAltName = '' }, value) => urisIn(subjectAltName).includes(value),
}

/** Whether this is a member by which a client is registered for a subject. */
export const isSubjectMember = (member: string) => Object.hasOwn(SUBJECTS, member)

/** Whether a certificate is of the subject that a client is registered for. */
export const isOfSubject = (certificate: X509Certificate, member: string, value: string) =>
  SUBJECTS[member]?.(certificate, value) === true

/** Attributes of a distinguished name in the order of RFC 4514; the name of a type in any case. */
function sameNames(left: readonly string[], right: readonly string[]): boolean {
  const normal = (attribute: string) => attribute.replace(/^\s*([^=]*)=/, (_, type: string) => `${type.toUpperCase()}=`)
  return left.length === right.length && left.every((one, index) => normal(one) === normal(right[index] ?? ''))
}

/** Node writes a name that holds what separates names as a JSON string. */
function urisIn(names: string): string[] {
  const found = names.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/g)
  return [...found].flatMap(([, type, name = '']) =>
    type === 'URI' ? [name.startsWith('"') ? JSON.parse(name) : name] : [],
  )
}
