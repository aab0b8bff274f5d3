import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { accountIdOf, originOf, requirePrincipal } from '../credentials/plugin.ts'
import type { Principal } from '../credentials/principal.ts'
import type { Database } from '../database/client.ts'
import { UUID } from '../database/identifiers.ts'
import { InvalidScope, NotFound } from '../errors.ts'
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

/** An account's API keys. */
export const apiKeyRoutes: FastifyPluginAsyncTypebox<ApiKeyRoutesOptions> = async (app, { db, keyPrefix }) => {
  app.post(
    '/api/auth/apikey/generate',
    { schema: { body: Generate }, config: { access: { credentials: ['first_party_jwt'] } } },
    async (request, reply) => {
      const principal = requirePrincipal(request)
      const { name, permissions, expiresInDays = DEFAULT_DAYS } = request.body
      const scope = requireHeld(principal, permissions?.length ? permissions : DEFAULT_SCOPE)
      const now = new Date()
      const expiresAt = apiKeyExpiry(now, expiresInDays)
      const issued = await issueApiKey(
        db,
        { accountId: requireAccount(principal), name, scope, expiresAt, prefix: keyPrefix },
        now,
        originOf(request),
      )
      reply.status(201).header('cache-control', 'no-store')
      return { message: 'The key was made.', ...shown(issued) }
    },
  )

  app.get('/api/keys', { config: { access: { credentials: 'any', scope: 'keys:read' } } }, async (request) => {
    const keys = await listApiKeys(db, requireAccount(requirePrincipal(request)), new Date())
    return { keys: keys.map(listed) }
  })

  app.delete(
    '/api/keys/:id',
    { schema: { params: Params }, config: { access: { credentials: 'any', scope: 'keys:write' } } },
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
      schema: { params: Params, body: Rotate },
      config: { access: { credentials: 'any', scope: 'keys:write' } },
    },
    async (request, reply) => {
      const principal = requirePrincipal(request)
      const input = {
        accountId: requireAccount(principal),
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
