import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'

const HEADER = /^[a-z][a-z0-9-]*$/i

/** The content of a file that a setting names. */
export function pemFrom(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new Error('must be the path of a file that can be read')
  }
}

/** The certificates of a PEM file that a setting names, at least one. */
export function certificatesFrom(path: string): X509Certificate[] {
  const found = pemFrom(path).match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  try {
    if (found.length > 0) return found.map((one) => new X509Certificate(one))
  } catch {}
  throw new Error('must be the path of a PEM file with certificates')
}

/** Where certificates of clients are: `off`, `tls`, or the name of a header. */
export function certificateSourceFrom(text: string): string {
  if (!HEADER.test(text)) throw new Error('must be off, tls or the name of a header')
  return text
}

/** What is missing beside the settings that are there. */
export function certificateProblems(env: NodeJS.ProcessEnv): string[] {
  const [cert, key, source = '', proxies] = ['TLS_CERT', 'TLS_KEY', 'CLIENT_CERTIFICATES', 'TRUST_PROXY'].map((name) =>
    env[name]?.trim(),
  )
  const isHeader = HEADER.test(source) && !['off', 'tls'].includes(source)
  return [
    ...(!cert === !key ? [] : ['TLS_CERT and TLS_KEY go together']),
    ...(source === 'tls' && !cert ? ['CLIENT_CERTIFICATES is tls, which needs TLS_CERT'] : []),
    ...(isHeader && !proxies ? ['CLIENT_CERTIFICATES is a header, which needs TRUST_PROXY'] : []),
  ]
}
