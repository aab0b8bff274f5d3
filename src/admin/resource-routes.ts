import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Moment } from '../http/schemas.ts'
import { ACCESS_TOKEN_LIFETIMES, type NamedScope, scopesOf } from '../resources/definition.ts'
import type { DetailsTypeDefinition } from '../resources/details-types.ts'
import {
  createResource,
  deleteResource,
  listResources,
  placeOf,
  type Resource,
  type ResourceDefinition,
  readResource,
  updateResource,
} from '../resources/resources.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { IfMatch, REMOVAL, removeAsRead, requireIfMatch, tagged } from './entity-tag.ts'
import { createOnce, IdempotencyKey } from './idempotency.ts'
import { PageQuery, pageSchema, readPage } from './page.ts'
import type { AdminOptions } from './routes.ts'

const Identifier = Type.String({ maxLength: 600, description: 'An absolute URI without a fragment (RFC 8707 2)' })
const Params = Type.Object({ identifier: Identifier })
const Scope = Type.Object(
  {
    scope: Type.String({ maxLength: 100 }),
    sentence: Type.String({ maxLength: 200, description: 'What it allows, for the consent page' }),
  },
  { additionalProperties: false },
)
const Fields = Type.Array(Type.String({ maxLength: 50 }), { maxItems: 50 })
const DetailsType = Type.Object(
  {
    type: Type.String({ maxLength: 100 }),
    sentence: Type.String({ maxLength: 200, description: 'What it allows, for the consent page' }),
    required: Type.Optional(Fields),
    optional: Type.Optional(Fields),
  },
  { additionalProperties: false },
)
const DEFINITION = {
  name: Type.String({ maxLength: 200 }),
  scopes: Type.Array(Scope, { maxItems: 100 }),
  format: Type.Union([Type.Literal('jwt'), Type.Literal('opaque')], { description: 'Of its access tokens' }),
  accessTokenLifetime: Type.Integer({
    minimum: ACCESS_TOKEN_LIFETIMES.least,
    maximum: ACCESS_TOKEN_LIFETIMES.most,
    description: 'Seconds',
  }),
  signingAlg: Type.Union([Type.Literal('ES256'), Type.Literal('RS256')], { description: 'Of those that are JWTs' }),
  authorizationDetailsTypes: Type.Array(DetailsType, { maxItems: 50, description: 'RFC 9396' }),
}
const ResourceView = Type.Object({ identifier: Identifier, ...DEFINITION, createdAt: Moment })
const { name, scopes, ...OPTIONAL } = Type.Partial(Type.Object(DEFINITION)).properties
const NewResource = Type.Object(
  {
    identifier: Identifier,
    name: DEFINITION.name,
    scopes: DEFINITION.scopes,
    ...OPTIONAL,
  },
  { additionalProperties: false },
)
const Change = Type.Object({ name, scopes, ...OPTIONAL }, { additionalProperties: false })
const tags = ['admin']
const TAKEN = ['type_exists']
/** Any identifier of a resource, of those from before there were rules for them too. */
const IN_CURSOR = /^[\x21-\x7e]{1,600}$/

/** The operator's own resources; the built-in one is not among them. */
export const resourceRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db, issuer, sealer }) => {
  const create = createOnce({ db, sealer })

  app.get(
    '/api/admin/resources',
    {
      schema: {
        summary: 'List resources',
        description: "The operator's own APIs that access tokens are issued for, in the order they were registered.",
        tags,
        querystring: PageQuery,
        response: { 200: pageSchema('resources', ResourceView) },
      },
      config: { access: READ },
    },
    async (request) => {
      const list = listResources.bind(undefined, db)
      const { items, next } = await readPage(request.query, list, placeOf, IN_CURSOR)
      return { resources: items.map(viewOf), ...next }
    },
  )

  app.get(
    '/api/admin/resources/:identifier',
    {
      schema: {
        summary: 'Read a resource',
        description: 'By its identifier, percent-encoded.',
        tags,
        params: Params,
        response: { 200: ResourceView },
      },
      config: { access: READ },
    },
    async (request, reply) => tagged(reply, viewOf(await readResource(db, request.params.identifier))),
  )

  app.post(
    '/api/admin/resources',
    {
      schema: {
        summary: 'Register a resource',
        description:
          'An API of your own (RFC 8707). Discovery names it and its scopes, and the consent page shows their sentences.',
        tags,
        headers: IdempotencyKey,
        body: NewResource,
        response: { 201: ResourceView },
      },
      config: {
        access: WRITE,
        problems: { 400: ['invalid_target', 'invalid_scope'], 409: ['resource_exists', ...TAKEN] },
      },
    },
    async (request, reply) => {
      const { identifier, name, ...rest } = request.body
      const { scopes = {}, ...definition } = definitionOf(rest)
      return create(request, reply, async (tx) => {
        const made = await createResource(
          tx,
          issuer,
          { format: 'jwt', ...definition, identifier, name, scopes },
          adminOrigin(request),
        )
        return { location: `/api/admin/resources/${encodeURIComponent(identifier)}`, view: viewOf(made) }
      })
    },
  )

  app.patch(
    '/api/admin/resources/:identifier',
    {
      schema: {
        summary: 'Change a resource',
        description:
          'Lists are replaced as a whole. A scope or a type of authorization details that is taken away is not honoured from the next request on, also of tokens that have it.',
        tags,
        params: Params,
        headers: IfMatch,
        body: Change,
        response: { 200: ResourceView },
      },
      config: { access: WRITE, problems: { 400: ['invalid_scope'], 409: TAKEN, 428: ['precondition_required'] } },
    },
    async (request, reply) => {
      const isAsRead = requireIfMatch(request)
      const by = adminOrigin(request)
      const changed = await updateResource(db, request.params.identifier, definitionOf(request.body), by, (before) =>
        isAsRead(viewOf(before)),
      )
      return tagged(reply, viewOf(changed))
    },
  )

  app.delete(
    '/api/admin/resources/:identifier',
    {
      schema: {
        summary: 'Delete a resource',
        description: 'No token is issued for it any more, and those that were are refused from the next request on.',
        tags,
        params: Params,
        ...REMOVAL,
      },
      config: { access: WRITE },
    },
    async (request, reply) =>
      removeAsRead(request, reply, viewOf, (check) =>
        deleteResource(db, request.params.identifier, adminOrigin(request), check),
      ),
  )
}

interface Said extends Partial<Omit<ResourceDefinition, 'scopes' | 'authorizationDetailsTypes'>> {
  readonly scopes?: readonly NamedScope[]
  readonly authorizationDetailsTypes?: readonly ({ type: string } & Partial<DetailsTypeDefinition>)[]
}

function definitionOf({ scopes, authorizationDetailsTypes: types, ...said }: Said): Partial<ResourceDefinition> {
  return {
    ...said,
    ...(scopes === undefined ? {} : { scopes: scopesOf(scopes) }),
    ...(types === undefined ? {} : { authorizationDetailsTypes: Object.fromEntries(types.map(typeOf)) }),
  }
}

function typeOf({
  type,
  sentence = '',
  required = [],
  optional = [],
}: { type: string } & Partial<DetailsTypeDefinition>) {
  return [type, { sentence, required, optional }] as const
}

function viewOf({ scopes, authorizationDetailsTypes: types, createdAt, ...rest }: Resource) {
  const { identifier, name, format, accessTokenLifetime, signingAlg } = rest
  return {
    identifier,
    name,
    scopes: Object.entries(scopes).map(([scope, sentence]) => ({ scope, sentence })),
    format,
    accessTokenLifetime,
    signingAlg,
    authorizationDetailsTypes: Object.entries(types).map(([type, { sentence, required, optional }]) => ({
      type,
      sentence,
      required: [...required],
      optional: [...optional],
    })),
    createdAt: createdAt.toISOString(),
  }
}
