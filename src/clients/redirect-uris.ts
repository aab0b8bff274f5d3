import type { ClientType } from './clients.ts'

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
const NEVER = new Set(['javascript:', 'data:', 'vbscript:', 'blob:', 'file:', 'about:', 'ws:', 'wss:', 'ftp:'])

/**
 * What is wrong with a redirect URI, or undefined when it may be registered.
 * https; http on a loopback host; for native applications also a private-use scheme with a period
 * (RFC 9700 2.6, OAuth 2.1 2.3.1 and 8.4, RFC 8252 7.1). Never a fragment or a user name.
 */
export function redirectUriProblem(uri: string, type: ClientType): string | undefined {
  const url = URL.parse(uri)
  if (url === null || /[\s\p{Cc}\\]/u.test(uri)) return 'is not an absolute URI'
  if (uri.includes('#')) return 'must not have a fragment'
  const authority = /^[^:]+:\/\/([^/?]*)/.exec(uri)?.[1] ?? ''
  if (authority.includes('@')) return 'must not have a user name'
  if (uri.includes('*')) return 'must not have a wildcard'
  if (/^https?:$/.test(url.protocol) && authority === '') return 'is not an absolute URI'
  if (url.protocol === 'https:') return undefined
  if (url.protocol === 'http:') return LOOPBACK.has(url.hostname) ? undefined : 'must be https'
  if (type !== 'native' || NEVER.has(url.protocol)) return 'must be https'
  if (!url.protocol.includes('.')) return 'must have a scheme with a period, such as com.example.app'
  return undefined
}

/** The host a person is shown for a redirect URI; for a private-use scheme, the scheme. */
export function redirectHost(uri: string): string {
  const url = URL.parse(uri)
  if (url === null) return uri
  return /^https?:$/.test(url.protocol) ? url.host : url.protocol.slice(0, -1)
}
