import { and, eq } from 'drizzle-orm'
import type { Provider } from 'oidc-provider'
import type { Account } from '../../accounts/accounts.ts'
import { type Origin, record } from '../../audit/audit.ts'
import type { Database } from '../../database/client.ts'
import { payloadWith } from '../../database/payload.ts'
import { providerModels } from '../../database/schema.ts'
import { PublicError } from '../../errors.ts'
import { notePing } from '../../ping-notices/ping-notices.ts'
import { bindGrant } from '../../sessions/bound-grants.ts'
import type { FirstPartySession } from '../../sessions/sessions.ts'
import { askedAcrValues, metAcr, methodOf, signInOf } from '../authentication-context.ts'
import { type Asked, makeGrant } from '../interactions/consent.ts'
import { saveGrant } from '../save-grant.ts'
import type { UnitOfWork } from '../unit-of-work.ts'
import { isFor, isPending, type PendingRequest } from './pending.ts'

interface Answering {
  readonly work: UnitOfWork
  readonly session: FirstPartySession
  readonly account: Account
  readonly origin: Origin
}

/**
 * Allows a client what it asked for: grant and answer are one transaction. Without offline access the grant lasts no
 * longer than the session in which it was given.
 * @throws {PublicError} 400 when the request was answered before, is over, or is not this person's
 */
export async function allowRequest(
  provider: Provider,
  request: PendingRequest,
  asked: Asked,
  { work, session, account, origin }: Answering,
): Promise<void> {
  await work.atOnce(async () => {
    const grant = makeGrant(provider, account, request.clientId, asked)
    const grantId = await saveGrant(grant, work, { ...origin, details: { request: request.id } })
    const tellsTime = request.params.max_age !== undefined || request.params.prompt !== undefined
    const resources = asked.resources.map(({ identifier }) => identifier)
    await answer(work.db, request, { session, account }, grantId, {
      accountId: account.id,
      grantId,
      scope: [...asked.openid, ...asked.resources.flatMap(({ granted }) => granted)].join(' '),
      ...(resources.length === 0 ? {} : { resource: resources.length === 1 ? resources[0] : resources }),
      ...(tellsTime ? { claims: { id_token: { auth_time: { essential: true } } } } : {}),
      ...(asked.details.length === 0 ? {} : { rar: asked.details.map(({ detail }) => detail) }),
      ...methodOf(session),
      acr: metAcr(signInOf(session), askedAcrValues(request.params.acr_values), new Date()),
      authTime: Math.floor(session.authenticatedAt.getTime() / 1000),
    })
    if (!asked.openid.includes('offline_access')) await bindGrant(work.db, grantId, session.id)
  })
}

/**
 * Refuses a client what it asked for, which it is told as `access_denied` (RFC 8628 3.5, CIBA 11).
 * @throws {PublicError} 400 as {@link allowRequest}
 */
export async function denyRequest(
  request: PendingRequest,
  { work, session, account, origin }: Answering,
): Promise<void> {
  await work.atOnce(async () => {
    const errorDescription = 'the person declined'
    await answer(work.db, request, { session, account }, null, { error: 'access_denied', errorDescription })
    await record(work.db, {
      type: 'grant.give',
      outcome: 'failure',
      ...origin,
      subject: { kind: 'account', id: account.id },
      clientId: request.clientId,
      details: { reason: 'access_denied', request: request.id },
    })
  })
}

/** One conditional statement: of two answers one counts. A client that wants to be told of it will be. */
async function answer(
  db: Database,
  request: PendingRequest,
  { session, account }: Pick<Answering, 'session' | 'account'>,
  grantId: string | null,
  changes: object,
): Promise<void> {
  const { id } = providerModels
  const answered = await db
    .update(providerModels)
    .set({
      payload: payloadWith(changes),
      accountId: account.id,
      grantId,
    })
    .where(and(eq(id, request.id), isFor({ session, account }), isPending(new Date())))
    .returning({ id })
  if (answered.length === 0) throw requestIsOver()
  await notePing(db, request.id, new Date())
}

/** The refusal of a request that was answered, is too old, or is somebody else's. */
export function requestIsOver(): PublicError {
  return new PublicError(
    400,
    'request_over',
    'This request was answered already, or is too old. Start again where it came from.',
  )
}
