import { promisify } from 'node:util'
import { deflate, gzip } from 'node:zlib'
import { sql } from 'drizzle-orm'
import { SignJWT } from 'jose'
import type { Database } from '../database/client.ts'
import type { LiveChanges } from '../database/live-changes.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { digest } from '../secrets/opaque-token.ts'
import { createInvalidSlots, type InvalidPlaces } from './invalid-slots.ts'
import { LIST_SIZE, statusListsUrl, statusListUrl } from './place.ts'

/** What tells a list from every other token we sign (draft-ietf-oauth-status-list-21 5.1, RFC 8725 3.11). */
export const STATUS_LIST_TYPE = 'statuslist+jwt'

/** Seconds for which a list may be kept: half of the time from a revocation to its refusal everywhere. */
export const STATUS_LIST_TTL = 1

/** Seconds after which a list is signed again though nothing changed, and for which it is good at least from then. */
const WINDOW = 30

const compress = promisify(deflate)
const zip = promisify(gzip)

/** A list as it is sent. */
export interface StatusListToken {
  readonly jwt: string
  readonly gzipped: Buffer
  /** The same on every process, for the same content at about the same time. */
  readonly tag: string
}

/** The lists of this server (draft-ietf-oauth-status-list-21). */
export interface StatusLists {
  /** A list as it is now, signed; undefined when there is none of this number. */
  token(list: number): Promise<StatusListToken | undefined>
  /** The URLs of all lists that tokens may name. */
  urls(): Promise<string[]>
}

export interface StatusListsDependencies {
  readonly db: Database
  readonly changes: LiveChanges
  readonly keys: KeyRing
  readonly issuer: string
}

/** Keeps the lists in memory, and signs one again when it changed or its time is half over. */
export function createStatusLists({ db, changes, keys, issuer }: StatusListsDependencies): StatusLists {
  const invalid = createInvalidSlots(db, changes)
  const signed = new Map<number, { of: string; token: Promise<StatusListToken> }>()
  let range = { first: 0, last: -1 }
  let readAt = Number.NEGATIVE_INFINITY
  keys.onReplaced(() => signed.clear())

  const readRange = async () => {
    range = await findRange(db)
    readAt = performance.now()
    for (const list of signed.keys()) if (list < range.first) signed.delete(list)
  }
  const isThere = async (list: number) => {
    if (list > range.last || performance.now() - readAt > WINDOW * 1000) await readRange()
    return list >= range.first && list <= range.last
  }

  return {
    async token(list) {
      if (!(await isThere(list))) return undefined
      const places = (await invalid.current()).get(list) ?? new Map()
      const now = Math.floor(Date.now() / 1000)
      const of = `${Math.floor(now / WINDOW)} ${invalid.version(list)}`
      const known = signed.get(list)
      if (known?.of === of) return known.token
      const token = sign({ keys, issuer }, list, places, now)
      signed.set(list, { of, token })
      token.catch(() => signed.delete(list))
      return token
    },

    async urls() {
      await readRange()
      const count = Math.max(0, range.last - range.first + 1)
      return Array.from({ length: count }, (_, place) => statusListUrl(issuer, range.first + place))
    },
  }
}

async function sign(
  { keys, issuer }: Pick<StatusListsDependencies, 'keys' | 'issuer'>,
  list: number,
  places: InvalidPlaces,
  now: number,
): Promise<StatusListToken> {
  const lst = (await compress(bitsOf(places), { level: 9 })).toString('base64url')
  const { kid, alg, key } = await keys.signer('authorization_server', 'ES256')
  const jwt = await new SignJWT({
    ttl: STATUS_LIST_TTL,
    status_list: { bits: 1, lst, aggregation_uri: statusListsUrl(issuer) },
  })
    .setProtectedHeader({ alg, kid, typ: STATUS_LIST_TYPE })
    .setIssuer(issuer)
    .setSubject(statusListUrl(issuer, list))
    .setIssuedAt(now)
    .setExpirationTime((Math.floor(now / WINDOW) + 2) * WINDOW)
    .sign(key)
  const tag = `W/"${digest(`${kid} ${Math.floor(now / WINDOW)} ${lst}`)}"`
  return { jwt, gzipped: await zip(jwt), tag }
}

/** One bit a place, the first the lowest of its byte: 1 is INVALID (4.1, 7.1). */
function bitsOf(places: InvalidPlaces): Buffer {
  const bits = Buffer.alloc(LIST_SIZE / 8)
  for (const idx of places.keys()) bits[idx >> 3] = (bits[idx >> 3] ?? 0) | (1 << (idx & 7))
  return bits
}

/** The numbers of the first and the last list that tokens may name; the last before the first when there is none. */
async function findRange(db: Database): Promise<{ first: number; last: number }> {
  const [found] = await db.execute<Record<'first' | 'last', string | null>>(
    sql`select (min(index) / ${LIST_SIZE})::text as first, (max(index) / ${LIST_SIZE})::text as last from status_slots`,
  )
  return { first: Number(found?.first ?? 0), last: Number(found?.last ?? -1) }
}
