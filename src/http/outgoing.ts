import { lookup } from 'node:dns'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/** A request that this server makes. */
export interface Outgoing {
  readonly method?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
  /** Bounds the time of the whole, the body of the answer included. */
  readonly signal?: AbortSignal | null | undefined
}

/**
 * Sends a request to an address that is allowed, by whatever name (CWE-918); a redirect is not followed.
 * @param isAllowed told an IP address
 * @returns the response, whose body is for the caller to read or to destroy
 * @throws for any other address, and when nothing answers
 */
export async function sendOut(
  url: URL,
  { method = 'GET', headers = {}, body, signal }: Outgoing,
  isAllowed: (address: string) => boolean,
  request = httpsRequest,
): Promise<IncomingMessage> {
  /** Looked up once, and connected to what was looked at: no other answer of the DNS comes between. */
  const lookUp: LookupFunction = (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      const found = addresses?.[0]
      if (error !== null || found === undefined) return done(error ?? new Error('no address'), [])
      if (!addresses.every(({ address }) => isAllowed(address))) return done(new Error('an internal address'), [])
      if (options.all) return done(null, addresses)
      done(null, found.address, found.family)
    })
  }

  if (isIP(hostOf(url)) !== 0 && !isAllowed(hostOf(url))) throw new Error('an internal address')
  const sent = request(url, {
    method,
    headers: { ...headers },
    lookup: lookUp,
    agent: false,
    ...(signal && { signal }),
  })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return response
}

/** @throws when the body is longer than `maxBytes` */
export async function readAll(response: IncomingMessage, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    length += chunk.length
    if (length > maxBytes) throw new Error('the document is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Whether an address is neither of this host, nor of a network inside, nor set aside for anything else. */
export function isPublic(address: string): boolean {
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast') return false
  return parsed instanceof ipaddr.IPv4 || parsed.match(ipaddr.IPv6.parseCIDR('2000::/3'))
}

/** Whether an address is this host's own. */
export const isLoopback = (address: string): boolean => ipaddr.process(address).range() === 'loopback'

/**
 * The addresses to which others may have this server send requests: public ones; and of this host, where the server is itself
 * at one of those, for development.
 */
export const addressesFor = (isLocal: boolean) => (address: string) =>
  isPublic(address) || (isLocal && isLoopback(address))

/** Whether a URL names, as far as its text tells, an address that is not allowed (CWE-918). */
export function namesInside(url: URL, isAllowed: (address: string) => boolean = isPublic): boolean {
  const host = hostOf(url)
  if (isIP(host) !== 0) return !isAllowed(host)
  return /(^|\.)localhost\.?$/.test(host) && !isAllowed('127.0.0.1')
}

/** By http where the URL says so: for what is at a loopback address. */
export const requestEither = ((url: URL, options: object) =>
  (url.protocol === 'http:' ? httpRequest : httpsRequest)(url, options)) as typeof httpsRequest

/** The host of a URL, an IPv6 address without its brackets. */
export const hostOf = ({ hostname }: URL) => hostname.replace(/^\[|\]$/g, '')
