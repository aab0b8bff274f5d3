import { type SQL, sql } from 'drizzle-orm'
import { providerModels } from './schema.ts'

/** The payload of a model of oidc-provider with other members, as a value to set it to. */
export function payloadWith(members: object): SQL {
  return sql`(${providerModels.payload}::jsonb || ${JSON.stringify(members)}::jsonb)::json`
}
