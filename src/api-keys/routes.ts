import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { RECENT_SIGN_IN } from '../credentials/authorize.ts'
import { accountIdOf, originOf, requirePrincipal } from '../credentials/plugin.ts'
import type { Principal } from '../credentials/principal.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { InvalidScope, NotFound } from '../errors.ts'
import { Done, MaybeMoment, MaybeText, Moment, Texts } from '../http/schemas.ts'
import type { Limit } from '../limits/limits.ts'
import { API_SCOPES } from '../resources/scopes.ts'
import {
  type ApiKey,
  apiKeyExpiry,
  type IssuedApiKey,
  issueApiKey,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
} from './api-keys.ts'

export interface ApiKeyRoutesOptions {
  readonly db: Database
  /** What keys begin with. Not named `prefix`, which Fastify would put before the routes. */
  readonly keyPrefix: string
  /** Keys that an account makes. */
  readonly made: Limit
}

const DEFAULT_DAYS = 90
const DEFAULT_SCOPE = ['profile:read', 'keys:read']
const WARNING = 'Copy the key now and keep it safe: it is not stored here and cannot be shown again.'

const Generate = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100 }),
    permissions: Type.Optional(Type.Array(Type.String({ maxLength: 100 }), { maxItems: 50, uniqueItems: true })),
    expiresInDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 365 })),
  },
  { additionalProperties: false },
)
/** `nullable` lets a request without a body through. */
const Rotate = Type.Object(
  { overlapSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 7 * 24 * 3600 })) },
  { additionalProperties: false, nullable: true },
)
/** A pattern, because the format `uuid` takes `urn:uuid:` too, which no column does. */
const Params = Type.Object({ id: Type.String({ pattern: UUID.source }) })

const Made = Type.Object({
  message: Type.String(),
  apiKey: Type.String({ description: 'The key itself, which is shown this once.' }),
  id: Type.String(),
  prefix: Type.String(),
  scopes: Texts,
  expiresAt: Moment,
  warning: Type.String(),
})
const Listed = Type.Object({
  id: Type.String(),
  name: Type.String(),
  prefix: Type.String({ description: 'What the key begins with.' }),
  scopes: Texts,
  createdAt: Moment,
  expiresAt: Moment,
  lastUsedAt: MaybeMoment,
  lastUsedFrom: MaybeText,
  useCount: Type.Integer(),
})
const tags = ['api-keys']

/** An account's API keys. */
export const apiKeyRoutes: FastifyPluginAsyncTypebox<ApiKeyRoutesOptions> = async (app, { db, keyPrefix, made }) => {
  app.post(
    '/api/auth/apikey/generate',
    {
      schema: {
        summary: 'Make an API key',
        description: 'Without `permissions` it can only read. It can never do more than the account that makes it.',
        tags,
        body: Generate,
        response: { 201: Made },
      },
      config: {
        access: { credentials: ['first_party_jwt'], maxAge: RECENT_SIGN_IN },
        problems: { 400: ['invalid_scope'], 409: ['too_many_api_keys'] },
      },
    },
    async (request, reply) => {
      const principal = requirePrincipal(request)
      const { name, permissions, expiresInDays = DEFAULT_DAYS } = request.body
      const scope = requireHeld(principal, permissions?.length ? permissions : DEFAULT_SCOPE)
      const accountId = requireAccount(principal)
      await made.count(accountId)
      const now = new Date()
      const expiresAt = apiKeyExpiry(now, expiresInDays)
      const issued = await issueApiKey(
        db,
        { accountId, name, scope, expiresAt, prefix: keyPrefix },
        now,
        originOf(request),
      )
      reply.status(201).header('cache-control', 'no-store')
      return { message: 'The key was made.', ...shown(issued) }
    },
  )

  app.get(
    '/api/keys',
    {
      schema: {
        summary: 'List API keys',
        description: 'The live keys of the account, without the keys themselves.',
        tags,
        response: { 200: Type.Object({ keys: Type.Array(Listed) }) },
      },
      config: { access: { credentials: 'any', scope: 'keys:read' }, problems: { 404: ['not_found'] } },
    },
    async (request) => {
      const keys = await listApiKeys(db, requireAccount(requirePrincipal(request)), new Date())
      return { keys: keys.map(listed) }
    },
  )

  app.delete(
    '/api/keys/:id',
    {
      schema: {
        summary: 'Revoke an API key',
        description: 'It is refused from the next request on.',
        tags,
        params: Params,
        response: { 200: Done },
      },
      config: { access: { credentials: 'any', scope: 'keys:write' } },
    },
    async (request) => {
      await revokeApiKey(
        db,
        requireAccount(requirePrincipal(request)),
        request.params.id,
        new Date(),
        originOf(request),
      )
      return { message: 'The key is revoked.' }
    },
  )

  app.post(
    '/api/keys/:id/rotate',
    {
      schema: {
        summary: 'Replace an API key',
        description: 'Makes a key of the same name, scopes and end; the old one is good for `overlapSeconds` more.',
        tags,
        params: Params,
        body: Rotate,
        response: { 201: Made },
      },
      config: {
        access: { credentials: 'any', scope: 'keys:write' },
        problems: { 400: ['invalid_scope'], 409: ['too_many_api_keys'] },
      },
    },
    async (request, reply) => {
      const principal = requirePrincipal(request)
      const accountId = requireAccount(principal)
      await made.count(accountId)
      const input = {
        accountId,
        id: request.params.id,
        overlapSeconds: request.body?.overlapSeconds ?? 0,
        held: principal.scope,
        prefix: keyPrefix,
      }
      const issued = await rotateApiKey(db, input, new Date(), originOf(request))
      reply.status(201).header('cache-control', 'no-store')
      return { message: 'The key was replaced.', ...shown(issued) }
    },
  )
}

/** A key can do no more than who makes it. */
function requireHeld(principal: Principal, scope: readonly string[]): readonly string[] {
  for (const name of scope) {
    if (!(name in API_SCOPES)) throw new InvalidScope(`There is no scope ${JSON.stringify(name)}.`)
    if (!principal.scope.has(name)) throw new InvalidScope(`You do not hold the scope ${name} yourself.`)
  }
  return scope
}

function requireAccount(principal: Principal): string {
  const id = accountIdOf(principal)
  if (id === undefined) throw new NotFound('A client has no API keys; accounts do.')
  return id
}

function shown({ secret, id, prefix, scope, expiresAt }: IssuedApiKey) {
  return { apiKey: secret, id, prefix, scopes: scope, expiresAt: expiresAt.toISOString(), warning: WARNING }
}

function listed({ id, name, prefix, scope, createdAt, expiresAt, revokedAt, ...use }: ApiKey) {
  const { lastUsedAt, lastUsedFrom, useCount } = use
  const ends = revokedAt ?? expiresAt
  return { id, name, prefix, scopes: scope, createdAt, expiresAt: ends, lastUsedAt, lastUsedFrom, useCount }
}
