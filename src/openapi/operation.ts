import type { FastifySchema, RouteOptions } from 'fastify'
import type { Access } from '../credentials/authorize.ts'
import type { Credential } from '../credentials/principal.ts'
import { type Problems, problemsOf } from './problems.ts'

/** The schemes of the document by which each kind of credential comes. */
const SCHEMES: Readonly<Record<Credential['kind'], readonly string[]>> = {
  access_token: ['accessToken', 'dpopAccessToken'],
  first_party_jwt: ['firstPartyJwt'],
  api_key: ['apiKey'],
}
const ANY = Object.keys(SCHEMES) as Credential['kind'][]

/** An operation as it goes into the document; `x-problems` become responses there. */
export type Described = FastifySchema & { readonly 'x-problems'?: Problems }

/** What the document says of a route: its own schema, and what follows from whom it lets in. */
export function describeOperation(route: RouteOptions): Described {
  const { schema, config, url } = route
  if (schema?.summary === undefined) return { hide: true }
  const access = config?.access
  const conditions = access === undefined ? [] : conditionsOf(access)
  return {
    ...schema,
    operationId: schema.operationId ?? operationId(String(route.method), url),
    description: [schema.description, ...conditions].filter(Boolean).join(' '),
    security: schema.security ?? securityOf(access),
    'x-problems': problemsOf(schema, access, config?.problems),
  }
}

/** `GET /api/keys/:id` is `getKeysById`. */
function operationId(method: string, url: string): string {
  const words = url
    .replace(/^\/api\//, '/')
    .replaceAll('/:', '/by-')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

/** One requirement for each way a credential may come; the scope is named with each (OpenAPI 3.1, 4.8.30). */
function securityOf(access: Access | undefined): Record<string, string[]>[] {
  if (access === undefined || access.credentials === 'none') return []
  const { credentials, scope } = access
  const kinds = typeof credentials === 'string' ? ANY : credentials
  const requirements = kinds
    .flatMap((kind) => SCHEMES[kind])
    .map((scheme) => ({ [scheme]: scope === undefined ? [] : [scope] }))
  return credentials === 'optional' ? [...requirements, {}] : requirements
}

function conditionsOf({ role, maxAge }: Access): string[] {
  return [
    ...(role === undefined ? [] : ['Only for administrators.']),
    ...(maxAge === undefined ? [] : [`The person must have signed in within the last ${maxAge / 60} minutes.`]),
  ]
}
