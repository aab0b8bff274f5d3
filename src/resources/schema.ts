import { index, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import { createdAt } from '../database/columns.ts'
import type { DetailsTypeDefinition } from './details-types.ts'

/** Seconds an access token lasts, unless its resource says otherwise. */
export const ACCESS_TOKEN_LIFETIME = 10 * 60

/** Protected resources besides the built-in one (RFC 8707). `scopes` maps a scope to its sentence. */
export const resources = pgTable(
  'resources',
  {
    identifier: text('identifier').primaryKey(),
    name: text('name').notNull(),
    scopes: jsonb('scopes').$type<Record<string, string>>().notNull(),
    format: text('format', { enum: ['jwt', 'opaque'] })
      .notNull()
      .default('jwt'),
    /** Seconds. */
    accessTokenLifetime: integer('access_token_lifetime').notNull().default(ACCESS_TOKEN_LIFETIME),
    signingAlg: text('signing_alg', { enum: ['ES256', 'RS256'] })
      .notNull()
      .default('ES256'),
    /** The types of authorization details (RFC 9396) that are its, each with its sentence for the consent page. */
    authorizationDetailsTypes: jsonb('authorization_details_types')
      .$type<Record<string, DetailsTypeDefinition>>()
      .notNull()
      .default({}),
    createdAt: createdAt(),
  },
  (table) => [index('resources_created_at').on(table.createdAt, table.identifier)],
)
