import { isLoopbackHost } from '../clients/redirect-uris.ts'
import { InvalidRequest } from '../errors.ts'
import { addressesFor, namesInside } from '../http/outgoing.ts'

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
  const isAllowed = addressesFor(isLoopbackHost(new URL(issuer).hostname))
  return {
    isAllowed,
    require(...urls) {
      for (const text of urls) {
        const url = URL.parse(text ?? '')
        if (url === null || !namesInside(url, isAllowed)) continue
        throw new InvalidRequest(`${text} leads to an internal address, which is registered by command.`)
      }
    },
  }
}
