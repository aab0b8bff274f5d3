import { asc } from 'drizzle-orm'
import type { Database } from '../database/client.ts'
import type { LiveChanges } from '../database/live-changes.ts'
import { isDatabaseUnavailable } from '../database/unavailable.ts'
import { builtInIdentifier } from './resources.ts'
import { resources } from './schema.ts'
import { API_SCOPES } from './scopes.ts'

const KEPT_MS = 60_000
/** What a document that anybody fetches may grow to. */
const MOST = 500

/** What may be known of the resources that access tokens are issued for, ours first. */
export interface PublishedResources {
  /** RFC 9728 4. */
  readonly identifiers: readonly string[]
  /** Their scopes, each once (RFC 8414 2). */
  readonly scopes: readonly string[]
}

/** Remembers what is published for a minute or until it changes, and while the database is away. */
export function createPublishedResources(
  db: Database,
  issuer: string,
  changes: LiveChanges,
): () => Promise<PublishedResources> {
  const ours = { identifier: builtInIdentifier(issuer), scopes: API_SCOPES }
  let known = published([ours])
  let until = 0
  const forgetAll = () => {
    until = 0
  }
  changes.tell({ forget: (tag) => tag.startsWith('resource ') && forgetAll(), forgetAll })

  return async () => {
    const now = Date.now()
    if (now < until) return known
    try {
      until = now + KEPT_MS
      const rows = await db
        .select({ identifier: resources.identifier, scopes: resources.scopes })
        .from(resources)
        .orderBy(asc(resources.createdAt), asc(resources.identifier))
        .limit(MOST)
      known = published([ours, ...rows])
    } catch (error) {
      forgetAll()
      if (!isDatabaseUnavailable(error)) throw error
    }
    return known
  }
}

type Described = { readonly identifier: string; readonly scopes: Readonly<Record<string, string>> }

function published(described: readonly Described[]): PublishedResources {
  return {
    identifiers: described.map(({ identifier }) => identifier),
    scopes: [...new Set(described.flatMap(({ scopes }) => Object.keys(scopes)))].slice(0, MOST),
  }
}
