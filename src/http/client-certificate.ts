import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { isWithin } from './connections.ts'

/** The certificate by which the sender of a request has proven to have its key; undefined when there is none. */
export type FindCertificate = (request: IncomingMessage) => X509Certificate | undefined

/**
 * Finds certificates where the operator says: in the TLS connection, or in a header of a proxy that ended it.
 * @param where `off`, `tls`, or the name of a header: RFC 9440 `Client-Cert`, PEM in URL encoding, or base64
 * @param trustProxy addresses or networks whose header is believed; anybody else's is not looked at
 */
export function createCertificateFinder(where: string, trustProxy: readonly string[]): FindCertificate {
  if (where === 'off') return () => undefined
  if (where === 'tls') return ({ socket }) => (socket as Partial<TLSSocket>).getPeerX509Certificate?.()
  const name = where.toLowerCase()
  const isTrusted = isWithin(trustProxy)
  return ({ headers, socket }) => {
    const value = headers[name]
    if (typeof value !== 'string' || socket.remoteAddress === undefined) return undefined
    return isTrusted(socket.remoteAddress) ? parsed(value) : undefined
  }
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

function parsed(value: string): X509Certificate | undefined {
  try {
    const text = decodeURIComponent(value)
    const base64 = (/^:(.*):$/.exec(text)?.[1] ?? text.replace(/-----(BEGIN|END) CERTIFICATE-----|\s/g, '')).trim()
    return BASE64.test(base64) ? new X509Certificate(Buffer.from(base64, 'base64')) : undefined
  } catch {
    return undefined
  }
}
