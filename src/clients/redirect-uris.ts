import { isPlainHost } from '../http/plain-host.ts'
import type { ClientType } from './clients.ts'

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
const NEVER = new Set(['javascript:', 'data:', 'vbscript:', 'blob:', 'file:', 'about:', 'ws:', 'wss:', 'ftp:'])

/**
 * What is wrong with a redirect URI, or undefined when it may be registered.
 * https; http on a loopback host; for native applications also a private-use scheme with a period
 * (RFC 9700 2.6, OAuth 2.1 2.3.1 and 8.4, RFC 8252 7.1). Never a fragment or a user name, and in one spelling only.
 */
export function redirectUriProblem(uri: string, type: ClientType): string | undefined {
  const url = URL.parse(uri)
  if (url === null || /[\s\p{Cc}\\]/u.test(uri)) return 'is not an absolute URI'
  if (uri.includes('#')) return 'must not have a fragment'
  const authority = /^[^:]+:\/\/([^/?]*)/.exec(uri)?.[1] ?? ''
  if (authority.includes('@')) return 'must not have a user name'
  if (uri.includes('*')) return 'must not have a wildcard'
  if (/^https?:$/.test(url.protocol) && authority === '') return 'is not an absolute URI'
  if (/^https?:$/.test(url.protocol) && !isPlainHost(url)) return 'has a host that no name can have'
  return schemeProblem(url, type) ?? spellingProblem(uri, url)
}

function schemeProblem({ protocol, hostname }: URL, type: ClientType): string | undefined {
  if (protocol === 'https:') return undefined
  if (protocol === 'http:') return LOOPBACK.has(hostname) ? undefined : 'must be https'
  if (type !== 'native' || NEVER.has(protocol)) return 'must be https'
  if (!protocol.includes('.')) return 'must have a scheme with a period, such as com.example.app'
  return undefined
}

/** What people read, browsers follow and servers route by is the same (RFC 3986 6.2.2, Keycloak CVE-2026-3872). */
function spellingProblem(uri: string, { href, hostname, pathname }: URL): string | undefined {
  if (href !== uri && href !== `${uri}/`) return `must be written as ${href}`
  if (hostname.endsWith('.')) return 'must not have a host that ends with a dot'
  if (/%(00|2f|5c)|\/(\.|%2e){1,2};/i.test(pathname)) return 'must not have a path that servers read in two ways'
  return undefined
}

/** Whether a host is a name or address that everybody has for their own machine. */
export const isLoopbackHost = (hostname: string): boolean => LOOPBACK.has(hostname)

/** The host a person is shown for a redirect URI; for a private-use scheme, the scheme. */
export function redirectHost(uri: string): string {
  const url = URL.parse(uri)
  if (url === null) return uri
  return /^https?:$/.test(url.protocol) ? url.host : url.protocol.slice(0, -1)
}
