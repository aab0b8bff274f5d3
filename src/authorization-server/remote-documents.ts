import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Configuration } from 'oidc-provider'
import { isPublic, namesInside, readAll, sendOut } from '../http/outgoing.ts'
import { weakKeyProblem } from '../keys/public-jwk.ts'

type Fetch = NonNullable<Configuration['fetch']>

/** A JWK Set of 50 RSA keys is half of it. */
const MAX_BYTES = 64 * 1024

/**
 * Fetches what a client's metadata names: its JWK Set, its sector identifier; or posts a text there. Whoever registers
 * a client chooses the URL, so it leads to no address but a public one, by whatever name (RFC 7591 5, OWASP ASVS 5.0
 * V15.3); a redirect is not followed; the document is small, and holds no weak key; and the engine's signal bounds the time of the whole.
 * @throws for anything else
 */
export function createRemoteFetch(
  isAllowed: (address: string) => boolean = isPublic,
  request = httpsRequest,
  maxBytes = MAX_BYTES,
): Fetch {
  return async (input, options = {}) => {
    const headers = Object.fromEntries(new Headers(options.headers as Headers))
    const body = typeof options.body === 'string' ? options.body : undefined
    const { method, signal } = options
    const response = await sendOut(new URL(String(input)), { method, headers, body, signal }, isAllowed, request)
    const { statusCode: status = 500 } = response
    if (status !== 200) response.destroy()
    const document = status === 200 ? await readAll(response, maxBytes) : null
    if (document !== null) requireStrongKeys(document)
    return new Response(document, { status, headers: freshness(response) })
  }
}

/** What is wrong with a URL of a document, as far as the text tells; undefined when nothing is. */
export function remoteUrlProblem(text: string): string | undefined {
  const url = URL.parse(text)
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '') return 'must be an https URL'
  return namesInside(url) ? 'must not lead to an internal address' : undefined
}

/** As the keys that a client registers itself; the engine looks at their form, not at what they are good for. */
function requireStrongKeys(body: Buffer): void {
  const problem = weakKeyProblem(parse(body.toString()))
  if (problem !== undefined) throw new Error(`a key ${problem}`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function freshness({ headers }: IncomingMessage): Record<string, string> {
  const { expires, 'cache-control': cacheControl } = headers
  return { ...(expires && { expires }), ...(cacheControl && { 'cache-control': cacheControl }) }
}
