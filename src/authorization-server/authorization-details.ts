import { isDeepStrictEqual } from 'node:util'
import {
  type AuthorizationDetailsForIntrospection,
  errors,
  type KoaContextWithOIDC,
  type RichAuthorizationRequestsActiveConfiguration,
} from 'oidc-provider'
import { holdsUnshown, requireWellFormedText } from '../http/well-formed.ts'
import { COMMON_FIELDS, type DetailsType, type DetailsTypes } from '../resources/details-types.ts'

type RichAuthorizationRequests = RichAuthorizationRequestsActiveConfiguration & {
  authorizationDetailsForIntrospection: AuthorizationDetailsForIntrospection
}
/** One member of `authorization_details` (RFC 9396 2). */
export type Detail = { readonly type: string } & Readonly<Record<string, unknown>>

/** What a person is shown of one request is no more than this. */
const MOST_DETAILS = 10
const MOST_CHARACTERS = 8_000
const MAX_DEPTH = 6

const refuse = (problem: string): never => {
  throw new errors.InvalidAuthorizationDetails(problem)
}

/** The authorization details that a request asks for; the engine has looked at their form. */
export function askedDetails(authorizationDetails: unknown): Detail[] {
  return typeof authorizationDetails === 'string' && authorizationDetails !== '' ? JSON.parse(authorizationDetails) : []
}

/**
 * Rich authorization requests (RFC 9396): of the types that operators registered with their resources, for clients that
 * were registered with the type (10). A person consents to each; tokens hold what was consented to, for the resource of
 * its type, and whoever asks for some of it at the token endpoint gets no more than that.
 */
export function createRichAuthorizationRequests(types: DetailsTypes): RichAuthorizationRequests {
  const validate = (ctx: KoaContextWithOIDC, detail: unknown) => {
    const known = types.find((detail as Detail).type) ?? refuse('the type is unknown')
    requireDetail(ctx, detail as Detail, known)
  }
  return {
    enabled: true,
    types: Object.fromEntries(types.names().map((name) => [name, { validate }])),

    async authorizationDetailsForGrantSource({ oidc: { params, grant } }) {
      const granted = (grant as { rar?: Detail[] } | undefined)?.rar ?? []
      return askedDetails(params?.authorization_details).filter((detail) => isOneOf(detail, granted))
    },

    async authorizationDetailsForAccessToken({ oidc }, { resourceServer }, source) {
      const granted = ((source as { rar?: Detail[] } | undefined)?.rar ?? []) as Detail[]
      const asked = askedDetails(oidc.params?.authorization_details)
      if (asked.some((detail) => !isOneOf(detail, granted))) refuse('they were not granted')
      const audience = resourceServer?.identifier()
      return (asked.length === 0 ? granted : asked).filter(({ type }) => types.find(type)?.resource === audience)
    },

    authorizationDetailsForIntrospection: async (_ctx, token) => token.rar,
  }
}

/** The resources that authorization details are for, each once. */
export function resourcesOfDetails(details: readonly Detail[], types: DetailsTypes): string[] {
  return [...new Set(details.map(({ type }) => types.find(type)?.resource).filter((found) => found !== undefined))]
}

const isOneOf = (detail: Detail, of: readonly Detail[]) => of.some((other) => isDeepStrictEqual(detail, other))

/** @throws {errors.InvalidAuthorizationDetails} for one that is not as its type says, or not fit to be shown (RFC 9396 5) */
function requireDetail({ oidc }: KoaContextWithOIDC, detail: Detail, type: DetailsType): void {
  // The engine carries none of a device's through to its tokens.
  if (oidc.route === 'device_authorization') refuse('they are for authorization requests')
  const asked = [oidc.params?.resource ?? []].flat()
  if (asked.length > 0 && !asked.includes(type.resource)) refuse('the type is of another resource')
  const text = String(oidc.params?.authorization_details)
  if (text.length > MOST_CHARACTERS || askedDetails(text).length > MOST_DETAILS) refuse('they are too many or too long')
  for (const field of type.required) if (!Object.hasOwn(detail, field)) refuse(`the field ${field} is missing`)
  const known = new Set([...COMMON_FIELDS, ...type.required, ...type.optional])
  for (const field of Object.keys(detail)) if (!known.has(field)) refuse('there is a field that the type has not')
  const locations = (detail.locations ?? []) as string[]
  if (locations.some((location) => location !== type.resource)) refuse('there is a location that is not of the type')
  try {
    requireWellFormedText(detail, MAX_DEPTH)
  } catch {
    refuse('they are nested too deeply, or hold text that is none')
  }
  JSON.stringify(detail, (key, value) => {
    if (holdsUnshown(key) || (typeof value === 'string' && holdsUnshown(value))) refuse('they hold text that hides')
    return value
  })
}
