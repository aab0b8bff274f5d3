import * as openid from 'openid-client'
import { InvalidRequest } from '../errors.ts'
import { isPublic, readAll, requestEither, sendOut } from '../http/outgoing.ts'
import type { NewUpstream } from './upstreams.ts'

/** Seconds for one answer of an upstream. */
const TIMEOUT = 5
/** Several times what a JWK Set or a token response takes. */
const MAX_BYTES = 128 * 1024
/** How long what an upstream publishes of itself is believed. */
const FRESH_MS = 60 * 60 * 1000

type Registered = Pick<NewUpstream, 'issuer' | 'clientId' | 'clientSecret'>

/**
 * Reads the metadata of an upstream (OpenID Connect Discovery 4). Its endpoints are asked from then on, and nothing else.
 * @param isAllowed at which addresses the issuer may be: wherever the operator says, unless it is told
 * @throws {InvalidRequest} when nothing answers, the metadata is of another issuer (Discovery 4.3, RFC 8414 3.3), or it
 *   lacks what a sign-in needs
 */
export async function discover(
  { issuer, clientId, clientSecret }: Registered,
  isAllowed: (address: string) => boolean = () => true,
): Promise<openid.Configuration> {
  const insecure = issuer.startsWith('http:') ? [openid.allowInsecureRequests] : []
  const configuration = await openid
    .discovery(new URL(issuer), clientId, undefined, authenticateBy(clientSecret), {
      execute: [...insecure, openid.enableNonRepudiationChecks],
      timeout: TIMEOUT,
      [openid.customFetch]: createFetch(new URL(issuer).origin, isAllowed),
    })
    .catch((error: unknown) => {
      const found = issuerFound(error)
      if (found !== undefined) throw anotherIssuer(issuer, found)
      throw new InvalidRequest(`The metadata of ${issuer} cannot be read: ${reasonOf(error)}.`, { cause: error })
    })
  const metadata = configuration.serverMetadata()
  if (metadata.issuer !== issuer) throw anotherIssuer(issuer, metadata.issuer)
  for (const name of ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const) {
    const protocol = URL.parse(metadata[name] ?? '')?.protocol
    if (protocol === 'https:' || (protocol === 'http:' && insecure.length > 0)) continue
    throw new InvalidRequest(`The metadata of ${issuer} has no ${name} that is an https URL.`)
  }
  return configuration
}

/** The metadata of upstreams, remembered for an hour, each with what its keys were when last looked at. */
export function createDiscovery(): (upstream: Registered & { readonly id: string }) => Promise<openid.Configuration> {
  const known = new Map<string, { of: string; at: number; configuration: Promise<openid.Configuration> }>()

  return (upstream) => {
    const of = JSON.stringify([upstream.issuer, upstream.clientId, upstream.clientSecret])
    const found = known.get(upstream.id)
    const now = Date.now()
    if (found !== undefined && found.of === of && now - found.at < FRESH_MS) return found.configuration
    const configuration = discover(upstream)
    const entry = { of, at: now, configuration }
    known.set(upstream.id, entry)
    configuration.catch(() => known.get(upstream.id) === entry && known.delete(upstream.id))
    return configuration
  }
}

/** As the provider takes it: in the header where nothing else is said (RFC 8414 2). */
function authenticateBy(secret: string): openid.ClientAuth {
  const [basic, post] = [openid.ClientSecretBasic(secret), openid.ClientSecretPost(secret)]
  return (as, ...request) => {
    const methods = as.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    return (methods.includes('client_secret_basic') ? basic : post)(as, ...request)
  }
}

/** Of what the metadata of an issuer names elsewhere, only public addresses are asked (CWE-918). */
function createFetch(origin: string, isAllowed: (address: string) => boolean): openid.CustomFetch {
  return async (input, { method, headers, body, signal }) => {
    const url = new URL(input)
    const mayAsk = url.origin === origin ? isAllowed : isPublic
    const text = body == null ? undefined : String(body)
    const response = await sendOut(url, { method, headers, body: text, signal }, mayAsk, requestEither)
    const content = await readAll(response, MAX_BYTES)
    const { statusCode: status = 500 } = response
    const type = response.headers['content-type']
    const hasBody = status !== 204 && status !== 304
    return new Response(hasBody ? content : null, {
      status,
      headers: type === undefined ? {} : { 'content-type': type },
    })
  }
}

/** The issuer of metadata that was refused for being of another one. */
function issuerFound(error: unknown): string | undefined {
  if (!(error instanceof openid.ClientError) || error.code !== 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
    return undefined
  return (error.cause as { body?: { issuer?: string } } | undefined)?.body?.issuer
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message
}

const anotherIssuer = (issuer: string, found: string) =>
  new InvalidRequest(`The metadata of ${issuer} is of another issuer, ${JSON.stringify(found)}.`)
