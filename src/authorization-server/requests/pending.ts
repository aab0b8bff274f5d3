import { and, desc, eq, inArray, or, type SQL, sql } from 'drizzle-orm'
import type { Database } from '../../database/client.ts'
import { payloadWith } from '../../database/payload.ts'
import { providerModels } from '../../database/schema.ts'
import type { FirstPartySession } from '../../sessions/sessions.ts'
import { askedAcrValues, metAcr, signInOf } from '../authentication-context.ts'
import type { SignedIn } from '../interactions/browser-session.ts'
import { isRecent } from '../interactions/login.ts'

/** A request that waits for the answer of a person. */
export interface PendingRequest {
  /** The digest of what the client asks with, which is no secret itself. */
  readonly id: string
  readonly clientId: string
  /** What the client asked for (RFC 6749 3.3, RFC 8707). */
  readonly params: Readonly<Record<string, unknown>>
  readonly requestedAt: Date
  /** Where the client asked from, when it is for a certain person; a device's is whoever opens it. */
  readonly from: string | undefined
}

const { model, id, payload, clientId, accountId, grantId, consumedAt } = providerModels
const ofDevice = eq(model, 'DeviceCode')
const ofPerson = eq(model, 'BackchannelAuthenticationRequest')
const openedBy = sql`${payload} ->> 'openedBy'`

/** The condition that a request was neither answered nor is over. */
export const isPending = (now: Date): SQL =>
  sql`${consumedAt} is null and ${grantId} is null and ${payload} ->> 'error' is null
    and (${payload} ->> 'exp')::bigint > ${Math.floor(now.getTime() / 1000)}`

const isOpenedBy = (sessionId: string) => and(ofDevice, sql`${openedBy} = ${sessionId}`)
const isOf = (account: string) => and(ofPerson, eq(accountId, account))

/** The condition that a request is for somebody to answer: in the session that opened it, or as the person it names. */
export const isFor = ({ session, account }: SignedIn) =>
  // By itself the alternative finds nothing in the index.
  and(inArray(model, ['DeviceCode', 'BackchannelAuthenticationRequest']), or(isOpenedBy(session.id), isOf(account.id)))

/**
 * Opens the request of a device by its user code, for whoever comes first: one statement binds it to his session,
 * and no other can see or answer it from then on.
 * @param digests of the code that was typed
 * @returns undefined when there is none, or another session has opened it
 */
export async function openDeviceRequest(
  db: Database,
  digests: readonly string[],
  sessionId: string,
  now: Date,
): Promise<Pick<PendingRequest, 'id' | 'clientId'> | undefined> {
  const [opened] = await db
    .update(providerModels)
    .set({ payload: payloadWith({ openedBy: sessionId }) })
    .where(
      and(
        ofDevice,
        inArray(providerModels.userCode, [...digests]),
        isPending(now),
        sql`coalesce(${openedBy}, ${sessionId}) = ${sessionId}`,
      ),
    )
    .returning({ id, clientId })
  return opened && { id: opened.id, clientId: opened.clientId ?? '' }
}

/** Has a session take over what another one of the same person has opened, since it replaces that. */
export async function passOnRequests(db: Database, from: string, to: string): Promise<void> {
  await db
    .update(providerModels)
    .set({ payload: payloadWith({ openedBy: to }) })
    .where(isOpenedBy(from))
}

/** A request that is for somebody to answer. */
export async function findRequest(
  db: Database,
  request: string,
  signedIn: SignedIn,
  now: Date,
): Promise<PendingRequest | undefined> {
  const [row] = await db
    .select({ id, clientId, payload })
    .from(providerModels)
    .where(and(eq(id, request), isFor(signedIn), isPending(now)))
  return row && requestOf(row)
}

/** What clients ask of a person, the latest first. */
export async function listRequests(db: Database, account: string, now: Date): Promise<PendingRequest[]> {
  const rows = await db
    .select({ id, clientId, payload })
    .from(providerModels)
    .where(and(isOf(account), isPending(now)))
    .orderBy(desc(sql`(${payload} ->> 'iat')::bigint`))
  return rows.map(requestOf)
}

function requestOf({ id, clientId, payload }: Pick<typeof providerModels.$inferSelect, 'id' | 'clientId' | 'payload'>) {
  return {
    id,
    clientId: clientId ?? '',
    params: payload.params as Record<string, unknown>,
    requestedAt: new Date(Number(payload.iat) * 1000),
    from: payload.from as string | undefined,
  }
}

/**
 * Whether a sign-in is as recent, and of a class, as the client asked for; `max_age=0`, which the engine keeps as a prompt,
 * asks for a new one.
 */
export function isRecentFor({ params, requestedAt }: PendingRequest, session: FirstPartySession, now: Date): boolean {
  if (metAcr(signInOf(session), askedAcrValues(params.acr_values), now) === undefined) return false
  return isRecent(params, session, now) && (params.prompt === undefined || session.authenticatedAt >= requestedAt)
}
