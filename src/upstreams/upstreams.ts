import { and, asc, eq } from 'drizzle-orm'
import { type Origin, record } from '../audit/audit.ts'
import { isLoopbackHost } from '../clients/redirect-uris.ts'
import type { Database } from '../database/client.ts'
import { Conflict, InvalidRequest, NotFound } from '../errors.ts'
import { holdsUnshown } from '../http/well-formed.ts'
import { type ResealOutcome, reseal } from '../secrets/reseal.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { endUpstreamSessions } from '../sessions/upstream-sessions.ts'
import { upstreams } from './schema.ts'

/** An OpenID Connect provider at which people sign in to us, without its secret. */
export interface Upstream {
  /** In the path of our redirect URI at it. */
  readonly id: string
  /** As people read it. */
  readonly name: string
  readonly issuer: string
  readonly clientId: string
  readonly createdAt: Date
}

/** What is needed to sign somebody in there. */
export interface OpenUpstream extends Upstream {
  readonly clientSecret: string
}

/** What may become of one. */
export type UpstreamChange = Partial<Pick<OpenUpstream, 'name' | 'clientId' | 'clientSecret'>>

export type NewUpstream = Pick<OpenUpstream, 'id' | 'name' | 'issuer' | 'clientId' | 'clientSecret'>

const { id, name, issuer, clientId, createdAt } = upstreams
const COLUMNS = { id, name, issuer, clientId, createdAt }

/** How an upstream is named in a path. */
export const UPSTREAM_ID = /^[a-z0-9-]{1,64}$/

/** How many of them a sign-in page can show. */
const MOST = 20

/** Where an upstream sends people back to: a path of its own, so that no other can answer for it (RFC 9700 4.4.2). */
export const upstreamRedirectUri = (ourIssuer: string, id: string) => `${ourIssuer}/upstreams/${id}/callback`

/**
 * Looks at an upstream and the metadata that it publishes, before anything is written.
 * @param discover reads them
 * @throws {InvalidRequest} when a member will not do, or the metadata is not that of the issuer
 */
export async function requireUsable(
  input: NewUpstream,
  discover: (upstream: NewUpstream) => Promise<unknown>,
): Promise<void> {
  requireGood(input)
  await discover(input)
}

/**
 * Registers an upstream that is usable.
 * @throws {Conflict} when there is one of that identifier or issuer
 */
export async function createUpstream(
  db: Database,
  sealer: Sealer,
  input: NewUpstream,
  origin: Origin,
): Promise<Upstream> {
  const { clientSecret, ...rest } = input
  const sealedClientSecret = await sealer.seal(sealPurpose(input.id), clientSecret)
  return db.transaction(async (tx) => {
    if ((await tx.$count(upstreams)) >= MOST)
      throw new Conflict('too_many_upstreams', `${MOST} upstreams are the most.`)
    const [made] = await tx
      .insert(upstreams)
      .values({ ...rest, sealedClientSecret })
      .onConflictDoNothing()
      .returning(COLUMNS)
    if (made === undefined) throw new Conflict('upstream_exists', 'There is an upstream of that identifier or issuer.')
    await record(tx, { type: 'upstream.create', ...origin, details: { upstream: made.id, issuer: made.issuer } })
    return made
  })
}

/** All of them, in the order they were made. */
export function listUpstreams(db: Database): Promise<Upstream[]> {
  return db.select(COLUMNS).from(upstreams).orderBy(asc(createdAt), asc(id))
}

/**
 * An upstream without its secret.
 * @throws {NotFound}
 */
export async function readUpstream(db: Database, which: string): Promise<Upstream> {
  const [found] = await db.select(COLUMNS).from(upstreams).where(eq(id, which))
  if (found === undefined) throw noSuchUpstream()
  return found
}

/** Looks at an upstream as it is, held until it is changed; what it throws is thrown. */
export type Check = (before: Upstream) => void

/**
 * Changes what people read of an upstream, or what we are to it. Its issuer stays: identities are of that.
 * @throws {InvalidRequest} when a member will not do
 * @throws {NotFound}
 */
export async function updateUpstream(
  db: Database,
  sealer: Sealer,
  which: string,
  change: UpstreamChange,
  origin: Origin,
  check: Check = () => {},
): Promise<Upstream> {
  const { clientSecret, ...rest } = change
  const secret =
    clientSecret === undefined ? {} : { sealedClientSecret: await sealer.seal(sealPurpose(which), clientSecret) }
  return db.transaction(async (tx) => {
    const before = await holdUpstream(tx, which)
    check(before)
    requireGood({ clientSecret: 'as it was', ...before, ...change })
    const values = { ...rest, ...secret }
    if (Object.keys(values).length === 0) return before
    const [after] = await tx.update(upstreams).set(values).where(eq(id, which)).returning(COLUMNS)
    if (after === undefined) throw noSuchUpstream()
    const details = { upstream: which, issuer: after.issuer, changed: Object.keys(change) }
    await record(tx, { type: 'upstream.update', ...origin, details })
    return after
  })
}

/**
 * Deletes an upstream: from now on nobody signs in there, and the sessions end that came of it. Whose account which
 * identity is stays, for when it is registered again.
 * @throws {NotFound}
 * @throws what `check` throws
 */
export async function deleteUpstream(
  db: Database,
  which: string,
  now: Date,
  origin: Origin,
  check: Check = () => {},
): Promise<void> {
  await db.transaction(async (tx) => {
    const gone = await holdUpstream(tx, which)
    check(gone)
    await tx.delete(upstreams).where(eq(id, which))
    // Afterwards: whoever was signing in there held it until their session was in the database.
    const sessions = await endUpstreamSessions(tx, { issuer: gone.issuer }, now, origin)
    const details = { upstream: gone.id, issuer: gone.issuer, sessions }
    await record(tx, { type: 'upstream.delete', ...origin, details })
  })
}

async function holdUpstream(tx: Database, which: string): Promise<Upstream> {
  await tx.select({ id }).from(upstreams).where(eq(id, which)).for('update')
  return readUpstream(tx, which)
}

/**
 * An upstream with its secret opened.
 * @throws {NotFound}
 */
export async function requireUpstream(db: Database, sealer: Sealer, which: string): Promise<OpenUpstream> {
  const [found] = await db.select().from(upstreams).where(eq(id, which))
  if (found === undefined) throw noSuchUpstream()
  const { sealedClientSecret, ...rest } = found
  return { ...rest, clientSecret: await sealer.open(sealPurpose(which), sealedClientSecret) }
}

/** Seals every secret anew that is not sealed under the first of SECRET_KEYS. */
export async function resealUpstreams(db: Database, sealer: Sealer): Promise<ResealOutcome> {
  const sealed = upstreams.sealedClientSecret
  const rows = await db.select({ name: id, sealed }).from(upstreams)
  return reseal(sealer, sealPurpose, rows, (which, before, anew) =>
    db
      .update(upstreams)
      .set({ sealedClientSecret: anew })
      .where(and(eq(id, which), eq(sealed, before)))
      .returning({ id }),
  )
}

const sealPurpose = (which: string) => `upstream:${which}`

const noSuchUpstream = () => new NotFound('There is no such way to sign in.')

function requireGood({ id, name, issuer, clientId, clientSecret }: NewUpstream): void {
  if (!/^[a-z0-9](-?[a-z0-9]){0,31}$/.test(id)) {
    throw new InvalidRequest(
      'An identifier of an upstream is lower-case letters, digits and single hyphens, 32 at most.',
    )
  }
  if (!/^.{1,60}$/su.test(name) || name !== name.trim() || holdsUnshown(name)) {
    throw new InvalidRequest('A name has 1 to 60 letters that can be seen.')
  }
  const problem = issuerProblem(issuer)
  if (problem !== undefined) throw new InvalidRequest(`An issuer ${problem}.`)
  for (const value of [clientId, clientSecret]) {
    if (!/^[\x20-\x7e]{1,1000}$/.test(value))
      throw new InvalidRequest('Client id and secret are 1 to 1000 ASCII characters.')
  }
}

/** What is wrong with an issuer identifier (OpenID Connect Core 2): the discovery document is below it. */
function issuerProblem(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    return 'is a URL without query, fragment or user'
  }
  if (url.href !== text && url.href !== `${text}/`)
    return 'is written as URLs are: in lower case, without a default port'
  const isPlain = url.protocol === 'http:' && isLoopbackHost(url.hostname)
  return url.protocol === 'https:' || isPlain ? undefined : 'is https outside localhost'
}
