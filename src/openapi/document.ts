import { STATUS_CODES } from 'node:http'
import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import { API_SCOPES } from '../resources/scopes.ts'
import type { Body, Document, Operation } from './document-types.ts'
import { describeOperation } from './operation.ts'
import { PROBLEM, type Problems, problemResponses } from './problems.ts'

/** The groups of operations, in the order of the document. */
const TAGS = [
  { name: 'sign-in', 'x-displayName': 'Sign-in', description: 'Accounts, first-party sign-in and its sessions.' },
  { name: 'api-keys', 'x-displayName': 'API keys', description: 'Keys of the account that asks, for its scripts.' },
  { name: 'grants', 'x-displayName': 'Applications', description: 'What the account that asks has allowed whom.' },
  {
    name: 'caller',
    'x-displayName': 'Who is calling',
    description: 'What a credential stands for; routes to try each kind on.',
  },
  {
    name: 'admin',
    'x-displayName': 'Administration',
    description: 'Accounts, clients, resources and settings of this server.',
  },
  { name: 'gateway', 'x-displayName': 'Forward authentication', description: 'For gateways in front of an API.' },
  { name: 'server', 'x-displayName': 'Server', description: 'What the server tells everybody of itself.' },
]

const INTRODUCTION = `What this server answers besides OAuth 2.1 and OpenID Connect. Their endpoints are described by
the server metadata (RFC 8414), which any OAuth library reads, and the pages that people see by nothing: no program
calls them.

Three kinds of credential are taken, one in a request, and each can do what its owner can and its scope allows. Who lacks
a credential is told 401, who may not do a thing 403, each with a challenge in \`WWW-Authenticate\` (RFC 6750 3).
What goes wrong is told as a problem document (RFC 9457), on any route also by 500 \`server_error\`.`

export interface DocumentOptions {
  readonly issuer: string
  /** What the cookie of a browser's refresh token is called. */
  readonly refreshCookie: { readonly name: string }
}

/**
 * Has every route that is registered from here on described in one OpenAPI 3.1 document, which `app.swagger()`
 * gives once the app is ready. Routes without a summary are left out.
 */
export async function registerDocument(app: FastifyInstance, options: DocumentOptions): Promise<void> {
  const { issuer } = options
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Gatehouse',
        version: '1',
        summary: 'The API of an authorization server',
        description: INTRODUCTION,
      },
      externalDocs: { description: 'Server metadata', url: `${issuer}/.well-known/oauth-authorization-server` },
      servers: [{ url: issuer }],
      tags: TAGS,
      components: { securitySchemes: securitySchemes(options), schemas: { Problem: PROBLEM as object } },
    },
    convertConstToEnum: false,
    transform: ({ url, route }) => ({ url, schema: describeOperation(route) as FastifySchema }),
    transformObject: (document) => finished((document as unknown as { openapiObject: Draft }).openapiObject) as never,
  })
}

function securitySchemes({ issuer, refreshCookie }: DocumentOptions) {
  const token = { tokenUrl: `${issuer}/oauth/token`, scopes: API_SCOPES }
  return {
    accessToken: {
      type: 'oauth2',
      description:
        'An access token for this API, as `Authorization: Bearer`: of an application that a person has allowed, or of a machine.',
      flows: {
        authorizationCode: {
          authorizationUrl: `${issuer}/oauth/authorize`,
          refreshUrl: `${issuer}/oauth/token`,
          ...token,
        },
        clientCredentials: token,
      },
    },
    dpopAccessToken: {
      type: 'http',
      scheme: 'DPoP',
      description: 'An access token that is bound to a key, with a proof of that key in the header `DPoP` (RFC 9449).',
    },
    firstPartyJwt: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: 'The JWT of our own apps, from `POST /api/auth/login/jwt`.',
    },
    apiKey: {
      type: 'apiKey',
      in: 'header',
      name: 'X-API-Key',
      description: 'An API key of an account. It may come as `Authorization: Bearer` too.',
    },
    refreshCookie: {
      type: 'apiKey',
      in: 'cookie',
      name: refreshCookie.name,
      description: "A browser's refresh token, which no script can read.",
    },
  } as const
}

/** The document as the plugin makes it, before it is finished. */
type Draft = Document & {
  readonly paths: Readonly<Record<string, Record<string, Operation & { readonly 'x-problems'?: Problems }>>>
}

/** Adds the problems to the responses, a description to each that has none, and tells which bodies may be left out. */
function finished(document: Draft): Document {
  for (const path of Object.values(document.paths)) {
    for (const [method, { 'x-problems': problems = {}, requestBody, responses, ...operation }] of Object.entries(
      path,
    )) {
      path[method] = {
        ...operation,
        ...(requestBody === undefined ? {} : { requestBody: { ...requestBody, required: !mayBeLeftOut(requestBody) } }),
        responses: { ...problemResponses(problems), ...describedResponses(responses) },
      }
    }
  }
  return document
}

const mayBeLeftOut = ({ content }: Body) => Object.values(content).some(({ schema }) => schema.type?.includes('null'))

/** Those of single statuses: a range, which routes may name for their serializer, says less than the problems do. */
function describedResponses(responses: Operation['responses']): Operation['responses'] {
  const own = Object.entries(responses).filter(([status]) => !/^[45]XX$/.test(status))
  return Object.fromEntries(
    own.map(([status, response]) => {
      const isDescribed = response.description !== 'Default Response'
      return [status, isDescribed ? response : { ...response, description: STATUS_CODES[status] ?? status }]
    }),
  )
}
