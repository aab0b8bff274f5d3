import type { Database } from '../database/client.ts'
import { PublicError, UpstreamRefused } from '../errors.ts'
import { networkOf } from '../limits/networks.ts'
import type { Limits } from '../limits/policy.ts'
import { isOpaqueToken, makeOpaqueToken } from '../secrets/opaque-token.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { SESSION_ABSOLUTE_MS } from '../sessions/sessions.ts'
import { ATTEMPT_MS, keepAttempt, takeAttempt } from './attempts.ts'
import type { Checks, RelyingParty, UpstreamSignIn } from './relying-party.ts'
import { type OpenUpstream, requireUpstream, upstreamRedirectUri } from './upstreams.ts'

/** What a sign-in at an upstream is for. */
export interface Purpose {
  /** The authorization request whose sign-in page it came from, and where that leads in the end. */
  readonly interaction?: { readonly uid: string; readonly redirectUri: string }
  /** The session of who is signed in, and wants to sign in there from now on. */
  readonly link?: { readonly accountId: string; readonly sessionId: string }
  /** How many seconds ago the person may have signed in there; 0 asks for a new sign-in. */
  readonly maxAge?: number | undefined
}

/** Who asks, and in which browser. */
export interface Visitor {
  readonly from: string
  /** What the browser's cookie holds, if it has one. */
  readonly browser: string | undefined
}

/** Where to send a browser, and the cookie that it must bring back. */
export interface Departure {
  readonly url: string
  readonly browser: string
  readonly expires: Date
}

/** A person is back from an upstream, and did not sign in there. */
export interface Declined {
  readonly upstream: OpenUpstream
  readonly purpose: Purpose
  readonly declined: true
}

/** A person is back from an upstream. */
export interface Arrival extends UpstreamSignIn {
  readonly upstream: OpenUpstream
  readonly purpose: Purpose
  /** When the person signed in there, as far as it counts here. */
  readonly authenticatedAt: Date
}

interface Attempt extends Omit<Checks, 'redirectUri' | 'state'> {
  readonly purpose: Purpose
  readonly startedAt: number
}

/** Sends people to upstreams, and takes what comes of it. */
export interface UpstreamSignIns {
  /**
   * @throws {NotFound} when there is no such upstream
   * @throws {TooManyAttempts} when a network begins too many
   * @throws {UpstreamUnavailable}
   */
  begin(id: string, purpose: Purpose, visitor: Visitor): Promise<Departure>
  /**
   * Redeems an answer, once, in the browser that was sent there.
   * @param answer the query that the upstream sent the browser back with
   * @throws {PublicError} 400 when this browser has no such attempt under way
   * @throws {UpstreamRefused} when the answer will not do, or the sign-in there is older than was asked for
   * @throws {UpstreamUnavailable}
   */
  finish(id: string, answer: { state: string; query: string }, visitor: Visitor): Promise<Arrival | Declined>
}

/** How far the clock of an upstream may be behind ours. */
const SKEW_MS = 10_000
/** Nothing here lasts longer, so an older sign-in there is not taken. */
const MAX_AGE = SESSION_ABSOLUTE_MS / 1000

export interface UpstreamSignInsDependencies {
  readonly db: Database
  readonly sealer: Sealer
  /** Ours. */
  readonly issuer: string
  readonly limits: Pick<Limits, 'upstreamSignIns'>
}

export function createUpstreamSignIns({ db, sealer, issuer, limits }: UpstreamSignInsDependencies): UpstreamSignIns {
  let loading: Promise<RelyingParty> | undefined
  /** Loaded with its library when somebody signs in there first: a server without upstreams starts without it. */
  const loadRelyingParty = () => {
    loading ??= import('./relying-party.ts').then(({ createRelyingParty }) => createRelyingParty())
    return loading
  }
  const placeOf = (upstreamId: string, state: string, browser: string) => ({
    upstreamId,
    known: ['sign-in', state, browser],
  })

  return {
    async begin(id, purpose, visitor) {
      const { from } = visitor
      const browser = isOpaqueToken(visitor.browser) ? visitor.browser : makeOpaqueToken()
      await limits.upstreamSignIns.count(networkOf(from))
      const upstream = await requireUpstream(db, sealer, id)
      const [state, nonce, codeVerifier] = [makeOpaqueToken(), makeOpaqueToken(), makeOpaqueToken()]
      const startedAt = new Date()
      const checks = { redirectUri: upstreamRedirectUri(issuer, id), state, nonce, codeVerifier }
      const relyingParty = await loadRelyingParty()
      const url = await relyingParty.authorizationUrl(upstream, checks, purpose.maxAge ?? MAX_AGE)
      const attempt: Attempt = { nonce, codeVerifier, purpose, startedAt: startedAt.getTime() }
      await keepAttempt(db, sealer, placeOf(id, state, browser), attempt, startedAt)
      return { url: url.href, browser, expires: new Date(startedAt.getTime() + 2 * ATTEMPT_MS) }
    },

    async finish(id, { state, query }, { from, browser = '' }) {
      await limits.upstreamSignIns.requireLeft(networkOf(from))
      const upstream = await requireUpstream(db, sealer, id)
      const attempt = await takeAttempt<Attempt>(db, sealer, placeOf(id, state, browser), new Date())
      if (attempt === undefined) {
        await limits.upstreamSignIns.count(networkOf(from))
        throw attemptIsOver()
      }
      const { purpose, startedAt, ...secrets } = attempt
      const checks = { redirectUri: upstreamRedirectUri(issuer, id), state, ...secrets }
      const relyingParty = await loadRelyingParty()
      const signIn = await relyingParty.redeem(upstream, query, checks)
      if (signIn === undefined) return { upstream, purpose, declined: true }
      const authenticatedAt = timeOf(signIn, purpose, startedAt)
      if (authenticatedAt === undefined) throw new UpstreamRefused(upstream.name, new Error('the sign-in is too old'))
      return { ...signIn, authenticatedAt, upstream, purpose }
    },
  }
}

/**
 * When a person signed in at an upstream; undefined when that is too long ago, or not known although it matters. Where
 * it is not said, it is taken to be as long ago as it may be.
 */
function timeOf({ authenticatedAt }: UpstreamSignIn, { maxAge }: Purpose, startedAt: number): Date | undefined {
  const earliest = startedAt - (maxAge ?? MAX_AGE) * 1000
  if (authenticatedAt === undefined) return maxAge === undefined ? new Date(earliest) : undefined
  if (authenticatedAt.getTime() < earliest - SKEW_MS) return undefined
  return new Date(Math.min(authenticatedAt.getTime(), Date.now()))
}

/** The refusal of what was begun in another browser, was finished before, or is too old. */
export function attemptIsOver(): PublicError {
  const detail = 'This sign-in is over, or was begun in another browser. Go back and start again.'
  return new PublicError(400, 'upstream_sign_in_over', detail)
}
