import { lookup } from 'node:dns'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Configuration } from 'oidc-provider'

type Fetch = NonNullable<Configuration['fetch']>

/** A JWK Set of 50 RSA keys is half of it. */
const MAX_BYTES = 64 * 1024
const NULL_BODY = new Set([204, 205, 304])

/**
 * Fetches what a client's metadata names: its JWK Set, its sector identifier. Whoever registers a client chooses the
 * URL, so it leads to no address but a public one, by whatever name (RFC 7591 5, OWASP ASVS 5.0 V15.3); a redirect is
 * not followed; the document is small; and the engine's signal bounds the time of the whole.
 * @throws for anything else
 */
export function createRemoteFetch(isAllowed: (address: string) => boolean = isPublic, request = httpsRequest): Fetch {
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

  return async (input, options = {}) => {
    const url = new URL(String(input))
    if (isIP(hostOf(url)) !== 0 && !isAllowed(hostOf(url))) throw new Error('an internal address')
    const { signal } = options
    const headers = Object.fromEntries(new Headers(options.headers as Headers))
    const sent = request(url, { headers, lookup: lookUp, agent: false, ...(signal && { signal }) }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const body = await read(response)
    const { statusCode: status = 500 } = response
    return new Response(NULL_BODY.has(status) ? null : body, { status, headers: freshness(response) })
  }
}

/** What is wrong with a URL of a document, as far as the text tells; undefined when nothing is. */
export function remoteUrlProblem(text: string): string | undefined {
  const url = URL.parse(text)
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '') return 'must be an https URL'
  const host = hostOf(url)
  const isLocal = isIP(host) === 0 ? /(^|\.)localhost\.?$/.test(host) : !isPublic(host)
  return isLocal ? 'must not lead to an internal address' : undefined
}

/** Whether an address is neither of this host, nor of a network inside, nor set aside for anything else. */
function isPublic(address: string): boolean {
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast') return false
  return parsed instanceof ipaddr.IPv4 || parsed.match(ipaddr.IPv6.parseCIDR('2000::/3'))
}

const hostOf = ({ hostname }: URL) => hostname.replace(/^\[|\]$/g, '')

async function read(response: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    length += chunk.length
    if (length > MAX_BYTES) throw new Error('the document is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function freshness({ headers }: IncomingMessage): Record<string, string> {
  const { expires, 'cache-control': cacheControl } = headers
  return { ...(expires && { expires }), ...(cacheControl && { 'cache-control': cacheControl }) }
}
