import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Account } from '../accounts/accounts.ts'
import { Email, Name } from '../accounts/schemas.ts'
import type { Refusals } from '../audit/refusals.ts'
import type { Database } from '../database/client.ts'
import { PublicError, UpstreamRefused } from '../errors.ts'
import { createErrorHandler, refusalFor } from '../http/error-handler.ts'
import { respondWithPage } from '../http/error-page.ts'
import { requireSameOrigin } from '../http/same-origin.ts'
import { contentSecurityPolicy, formActionSource } from '../http/security-headers.ts'
import { renderView } from '../http/views.ts'
import type { Sealer } from '../secrets/sealed.ts'
import type { RefreshCookie, UpstreamCookie } from '../sessions/cookie.ts'
import { findSession, type UpstreamAuthentication } from '../sessions/sessions.ts'
import type { SignInLimits } from '../sessions/sign-in-limits.ts'
import { claimOwner, findOwner, linkIdentity } from './identities.ts'
import { createAccountOfNewcomer, keepNewcomer, type Newcomer, requireNewcomer } from './new-account.ts'
import { type Arrival, attemptIsOver, type Purpose, type UpstreamSignIns } from './sign-ins.ts'
import { requireUpstream, UPSTREAM_ID, type Upstream } from './upstreams.ts'

export interface UpstreamRoutesOptions {
  readonly db: Database
  readonly sealer: Sealer
  readonly issuer: string
  readonly upstreamSignIns: UpstreamSignIns
  readonly upstreamCookie: UpstreamCookie
  readonly refreshCookie: RefreshCookie
  readonly signUp: 'open' | 'closed'
  readonly signInLimits: SignInLimits
  readonly refusals: Refusals
  /**
   * Signs the browser in to the account that `claim` answers in the transaction of the session, and answers the
   * authorization request by that, if it came of one.
   * @returns where the browser goes on
   */
  readonly signIn: (
    request: FastifyRequest,
    reply: FastifyReply,
    claim: (tx: Database) => Promise<Account>,
    upstream: UpstreamAuthentication,
    interaction: Purpose['interaction'],
  ) => Promise<string>
}

const Params = Type.Object({ id: Type.String({ pattern: UPSTREAM_ID.source }) })
const Start = Type.Object({ prompt: Type.Optional(Type.Literal('login')) }, { additionalProperties: false })
/** Whatever else there is, which differs by provider, is left alone (RFC 6749 4.1.2). */
const Answer = Type.Object({ state: Type.String({ pattern: '^[\\w-]{43}$' }) })
const NewAccount = Type.Object({ email: Email, name: Type.Optional(Name) }, { additionalProperties: false })

/** Signing in at an upstream provider: there, back again, and a new account for who has none. */
export const upstreamRoutes: FastifyPluginAsyncTypebox<UpstreamRoutesOptions> = async (app, options) => {
  const { db, sealer, issuer, upstreamSignIns, upstreamCookie, refreshCookie, signUp, signInLimits, refusals, signIn } =
    options
  app.removeAllContentTypeParsers()
  await app.register(formbody)
  app.setErrorHandler(createErrorHandler(respondWithPage))
  app.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))

  const visitorOf = (request: FastifyRequest) => ({ from: request.ip, browser: upstreamCookie.read(request) })

  /** From a page of ours alone: no other site decides where a person signs in. */
  app.get('/upstreams/:id', { schema: { params: Params, querystring: Start } }, async (request, reply) => {
    requireSameOrigin(request, [issuer], { proof: false })
    const purpose = request.query.prompt === 'login' ? { maxAge: 0 } : {}
    const departure = await upstreamSignIns.begin(request.params.id, purpose, visitorOf(request))
    upstreamCookie.write(reply, departure.browser, departure.expires)
    return reply.redirect(departure.url, 303)
  })

  app.get('/upstreams/:id/callback', { schema: { params: Params, querystring: Answer } }, async (request, reply) => {
    const { id } = request.params
    const answer = { state: request.query.state, query: request.url.slice(request.url.indexOf('?')) }
    const visitor = visitorOf(request)
    let [owner, type]: [string | undefined, string] = [undefined, 'session.start']
    try {
      const arrival = await upstreamSignIns.finish(id, answer, visitor)
      if ('declined' in arrival) {
        await note(request, id, 'access_denied')
        return reply.redirect(pathOf(arrival.purpose.interaction), 303)
      }
      if (arrival.purpose.link !== undefined) {
        type = 'identity.link'
        return await link(request, reply, arrival)
      }
      owner = await findOwner(db, arrival.identity)
      if (owner !== undefined) return await enter(request, reply, arrival)
      if (signUp === 'closed') throw accountsAreMade(arrival.upstream)
      await keepNewcomer(db, sealer, { upstreamId: id, browser: visitor.browser ?? '' }, arrival, new Date())
      return reply.redirect(`/upstreams/${id}/create-account`, 303)
    } catch (error) {
      if (error instanceof PublicError) await note(request, id, error.code, owner, type)
      throw error
    }
  })

  app.get('/upstreams/:id/create-account', { schema: { params: Params } }, async (request, reply) => {
    const { upstream, newcomer } = await arrived(request)
    return showNewAccount(reply, upstream, newcomer, newcomer)
  })

  app.post(
    '/upstreams/:id/create-account',
    { schema: { params: Params, body: NewAccount } },
    async (request, reply) => {
      requireSameOrigin(request, [issuer], { proof: false })
      const { upstream, newcomer, at } = await arrived(request)
      const origin = { from: request.ip }
      const claim = (tx: Database) => createAccountOfNewcomer(tx, sealer, at, request.body, new Date(), origin)
      const { interaction, authenticatedAt } = newcomer
      const by = { upstreamIssuer: upstream.issuer, authenticatedAt: new Date(authenticatedAt) }
      try {
        signInLimits.requireSignUp()
        await signInLimits.countSignUp(request.ip)
        return reply.redirect(await signIn(request, reply, claim, by, interaction), 303)
      } catch (error) {
        if (error instanceof PublicError) await note(request, upstream.id, error.code)
        const again = { ...request.body, error: refusalFor(error, request, reply) }
        return showNewAccount(reply, upstream, newcomer, again)
      }
    },
  )

  /** Signs in to the account that the identity belongs to. */
  async function enter(request: FastifyRequest, reply: FastifyReply, arrival: Arrival) {
    const { upstream, identity, authenticatedAt, purpose } = arrival
    const claim = async (tx: Database) => {
      const account = await claimOwner(tx, identity)
      if (account === undefined)
        throw new UpstreamRefused(upstream.name, new Error('the account is disabled, or the upstream deleted'))
      return account
    }
    const by = { upstreamIssuer: upstream.issuer, authenticatedAt }
    return reply.redirect(await signIn(request, reply, claim, by, purpose.interaction), 303)
  }

  /** Links the identity to who asked for that, as long as the session in which it was asked for is this browser's. */
  async function link(request: FastifyRequest, reply: FastifyReply, { identity, purpose }: Arrival) {
    const refreshToken = refreshCookie.read(request)
    const signedIn = refreshToken === undefined ? undefined : await findSession(db, refreshToken, new Date())
    if (signedIn === undefined || signedIn.session.id !== purpose.link?.sessionId) throw attemptIsOver()
    const credential = { kind: 'first_party_session', id: signedIn.session.id }
    await linkIdentity(db, signedIn.account.id, identity, { credential, from: request.ip })
    return reply.redirect('/', 303)
  }

  /** Who signed in with this browser and has no account yet. */
  async function arrived(request: FastifyRequest) {
    const at = { upstreamId: (request.params as { id: string }).id, browser: upstreamCookie.read(request) ?? '' }
    const upstream = await requireUpstream(db, sealer, at.upstreamId)
    return { upstream, at, newcomer: await requireNewcomer(db, sealer, at, new Date()) }
  }

  function note(request: FastifyRequest, upstream: string, reason: string, owner?: string, type = 'session.start') {
    const subject = owner === undefined ? undefined : ({ kind: 'account', id: owner } as const)
    return refusals.note({ type, subject, from: request.ip, details: { reason, upstream } })
  }
}

const accountsAreMade = ({ name }: Upstream) =>
  new PublicError(
    403,
    'sign_up_closed',
    `There is no account here for that sign-in at ${name}. The operator makes accounts; link yours on its page.`,
  )

const pathOf = (interaction: Purpose['interaction']) =>
  interaction === undefined ? '/' : `/interaction/${interaction.uid}`

function showNewAccount(
  reply: FastifyReply,
  { id, name }: Upstream,
  { interaction }: Newcomer,
  person: { email?: string; name?: string; error?: string },
) {
  const source = interaction && formActionSource(interaction.redirectUri)
  return reply
    .header('content-security-policy', contentSecurityPolicy(source === undefined ? [] : [source]))
    .type('text/html; charset=utf-8')
    .send(
      renderView('upstream-account', {
        action: `/upstreams/${id}/create-account`,
        signInHref: pathOf(interaction),
        upstream: name,
        email: person.email,
        name: person.name,
        error: person.error,
      }),
    )
}
