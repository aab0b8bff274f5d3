import { sql } from 'drizzle-orm'
import type { Tag } from '../database/changes.ts'
import type { Database } from '../database/client.ts'
import { InvalidCredential } from '../errors.ts'

/** The claim of an access token that names what it was got by, and ends with. */
export const DEPENDS_ON = 'depends_on'

/** How much a token may name: an exchange adds two or three. */
export const MOST_PARENTS = 24

/** The URL of a document by which a client may be named, as the source of a regular expression. */
export const DOCUMENT_URL = 'https?:\\/\\/[\\x21-\\x7e]{1,192}'

/** The identifier of a client: one that was registered, or named by its document. */
export const CLIENT_ID = new RegExp(`^(client_[0-9a-f]{32}|${DOCUMENT_URL})$`)

const PARENT = new RegExp(
  `^((token|grant|client|account|account_key|session|api_key) [\\w-]{21,64}|client ${DOCUMENT_URL}|resource \\S{1,2000})$`,
)

/**
 * What an access token was got by; nothing where the claim is not there.
 * @throws {InvalidCredential} when the claim is not of its form
 */
export function readParents(claim: unknown): readonly Tag[] {
  if (claim === undefined) return []
  const isList = Array.isArray(claim) && claim.length > 0 && claim.length <= MOST_PARENTS
  if (!isList || !claim.every((tag) => typeof tag === 'string' && PARENT.test(tag))) {
    throw new InvalidCredential('a claim is not of its form')
  }
  return claim
}

/**
 * Until when all of these live, as far as is known now; undefined when one does not. A token counts as living unless it
 * was revoked: whoever depends on one ends no later than it.
 */
export async function lineageEnd(db: Database, tags: readonly Tag[], now: Date): Promise<Date | undefined> {
  const [found] = await db.execute<{ end: string | null }>(sql`
    with named as (
      select split_part(tag, ' ', 1) as kind, split_part(tag, ' ', 2) as name
      from json_array_elements_text(${JSON.stringify(tags)}::json) as tag),
    ends as (
      select coalesce(case named.kind
        when 'account' then (select timestamptz 'infinity' from accounts where id = named.name::uuid and disabled_at is null)
        when 'account_key' then (
          select timestamptz 'infinity' from account_keys join accounts on accounts.id = account_id and role = 'service'
          where account_keys.id = named.name::uuid)
        when 'client' then (select timestamptz 'infinity' from clients where id = named.name)
        when 'session' then (
          select least(expires_at, ended_at) from first_party_sessions where id = named.name::uuid)
        when 'api_key' then (select least(expires_at, revoked_at) from api_keys where id = named.name::uuid)
        when 'resource' then (select timestamptz 'infinity' from resources where identifier = named.name)
        when 'grant' then (select expires_at from provider_models where model = 'Grant' and grant_id = named.name)
        when 'token' then (
          select timestamptz 'infinity' where not exists (select from revoked_tokens where token_id = named.name))
        end, timestamptz '-infinity') as at
      from named)
    select extract(epoch from least(min(at), ${LATEST}::timestamptz))::text as end from ends`)
  const end = new Date(Number(found?.end) * 1000)
  return end > now ? end : undefined
}

/** Later than any token ends. */
const LATEST = '9999-01-01T00:00:00Z'
