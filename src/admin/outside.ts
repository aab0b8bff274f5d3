import { isIP } from 'node:net'
import { isLoopbackHost } from '../clients/redirect-uris.ts'
import { InvalidRequest } from '../errors.ts'
import { hostOf, isLoopback, isPublic } from '../http/outgoing.ts'

/** Where this server may be sent by whoever calls the admin API. */
export interface Outside {
  isAllowed(address: string): boolean
  /** @throws {InvalidRequest} for a URL that names an address where it may not be sent */
  require(...urls: (string | null | undefined)[]): void
}

/**
 * A token of an administrator's is not to look around inside (CWE-918): what is there is registered by who has the command
 * line. A server that is itself on a loopback address, for development, may be sent to others there.
 */
export function createOutside(issuer: string): Outside {
  const isLocal = isLoopbackHost(new URL(issuer).hostname)
  const isAllowed = (address: string) => isPublic(address) || (isLocal && isLoopback(address))
  return {
    isAllowed,
    require(...urls) {
      for (const url of urls) {
        const host = hostOf(URL.parse(url ?? '') ?? new URL('https://none.example'))
        const mayBe = isIP(host) === 0 ? isLocal || !/(^|\.)localhost\.?$/.test(host) : isAllowed(host)
        if (!mayBe) throw new InvalidRequest(`${url} leads to an internal address, which is registered by command.`)
      }
    },
  }
}
