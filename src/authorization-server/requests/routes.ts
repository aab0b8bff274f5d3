import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { authenticateAccount } from '../../accounts/authentication.ts'
import { Email, Password } from '../../accounts/schemas.ts'
import { record } from '../../audit/audit.ts'
import { findClient } from '../../clients/clients.ts'
import { PublicError } from '../../errors.ts'
import { createErrorHandler, refusalFor } from '../../http/error-handler.ts'
import { respondWithPage } from '../../http/error-page.ts'
import { requireSameOrigin } from '../../http/same-origin.ts'
import { renderView } from '../../http/views.ts'
import { networkOf } from '../../limits/networks.ts'
import type { SignInLimits } from '../../sessions/sign-in-limits.ts'
import type { AuthorizationServerDependencies } from '../dependencies.ts'
import type { Engine } from '../engine.ts'
import { findBrowserSession, type SignedIn, startBrowserSession } from '../interactions/browser-session.ts'
import { askedFor, detailsView, lastsUntil } from '../interactions/consent.ts'
import { allowRequest, denyRequest, requestIsOver } from './answer.ts'
import {
  findRequest,
  isRecentFor,
  listRequests,
  openDeviceRequest,
  type PendingRequest,
  passOnRequests,
} from './pending.ts'

export interface RequestOptions extends AuthorizationServerDependencies {
  readonly engine: () => Engine
  readonly signInLimits: SignInLimits
}

const UserCode = Type.String({ maxLength: 64 })
const Params = Type.Object({ id: Type.String({ pattern: '^[\\w-]{43}$' }) })
const SignIn = Type.Object(
  {
    email: Email,
    password: Password,
    user_code: Type.Optional(UserCode),
    request: Type.Optional(Params.properties.id),
    list: Type.Optional(Type.Literal('1')),
  },
  { additionalProperties: false },
)
const Nothing = Type.Optional(Type.Object({}, { additionalProperties: false }))

/**
 * The pages at which people answer what clients asked for apart from this browser: a device (RFC 8628 3.3), or who names
 * them (OpenID Connect CIBA Core 1.0 8).
 */
export const requestRoutes: FastifyPluginAsyncTypebox<RequestOptions> = async (app, options) => {
  const { config, work, engine, limits, userCodes, refreshCookie, deviceCookie, signInLimits, refusals, detailsTypes } =
    options
  app.removeAllContentTypeParsers()
  await app.register(formbody)
  app.setErrorHandler(createErrorHandler(respondWithPage))
  app.addHook('onRequest', async (request) => {
    if (request.method === 'POST') requireSameOrigin(request, [config.issuer], { proof: true })
  })

  /** Shows the code that a link brought along, and looks nothing up before the person says that it is his (3.3.1). */
  app.get(
    '/device',
    { schema: { querystring: Type.Object({ user_code: Type.Optional(UserCode) }) } },
    async (request, reply) => {
      const { user_code: userCode } = request.query
      const signedIn = await findBrowserSession(request, options)
      if (signedIn === undefined) return showSignIn(reply, { user_code: userCode ?? '' })
      return show(reply, 'device', { userCode, account: signedIn.account })
    },
  )

  app.post(
    '/device',
    { schema: { body: Type.Object({ user_code: UserCode }, { additionalProperties: false }) } },
    async (request, reply) => {
      const { user_code: userCode } = request.body
      const signedIn = await findBrowserSession(request, options)
      if (signedIn === undefined) return showSignIn(reply, { user_code: userCode })
      try {
        const opened = await open(request, signedIn, userCode)
        return reply.redirect(`/requests/${opened.id}`, 303)
      } catch (error) {
        const again = { userCode, account: signedIn.account, error: refusalFor(error, request, reply) }
        return show(reply, 'device', again)
      }
    },
  )

  app.post('/requests/sign-in', { schema: { body: SignIn } }, async (request, reply) => {
    const { email, password, ...then } = request.body
    try {
      const account = await signInLimits.guard({ email, from: request.ip, device: deviceCookie.read(request) }, () =>
        authenticateAccount(work.db, email, password),
      )
      const before = await findBrowserSession(request, options)
      const started = await work.atOnce(async () => {
        const started = await startBrowserSession(request, account, options)
        if (before?.account.id === account.id) await passOnRequests(work.db, before.session.id, started.session.id)
        return started
      })
      refreshCookie.write(reply, started.refreshToken, started.refreshExpiresAt)
      deviceCookie.remember(reply, account, new Date())
      return reply.redirect(pathAfter(then), 303)
    } catch (error) {
      return showSignIn(reply, then, { email, error: refusalFor(error, request, reply) })
    }
  })

  app.get('/requests', async (request, reply) => {
    const signedIn = await findBrowserSession(request, options)
    if (signedIn === undefined) return showSignIn(reply, { list: '1' })
    const pending = await listRequests(work.db, signedIn.account.id, new Date())
    const requests = await Promise.all(pending.map((each) => view(each, signedIn)))
    const { email } = signedIn.account
    return show(reply, 'requests', { account: { email }, requests: requests.filter((each) => each !== undefined) })
  })

  app.get('/requests/:id', { schema: { params: Params } }, async (request, reply) => {
    const signedIn = await findBrowserSession(request, options)
    const { id } = request.params
    if (signedIn === undefined) return showSignIn(reply, { request: id })
    const pending = await require(id, signedIn)
    if (!isRecentFor(pending, signedIn.session, new Date())) return showSignInAgain(reply, pending, signedIn)
    const asked = await view(pending, signedIn)
    if (asked === undefined) throw requestIsOver()
    const { email, name } = signedIn.account
    return show(reply, 'request', { ...asked, account: { email, name }, lastsUntil: lastsUntil(new Date()) })
  })

  app.post('/requests/:id/allow', { schema: { params: Params, body: Nothing } }, async (request, reply) => {
    const { pending, answering } = await answered(request)
    if (!isRecentFor(pending, answering.session, new Date())) return showSignInAgain(reply, pending, answering)
    const asked = await askedFor(pending, answering.account, { work, issuer: config.issuer, detailsTypes })
    await allowRequest(engine().provider, pending, asked, answering)
    return showAnswered(reply, pending, true)
  })

  app.post('/requests/:id/deny', { schema: { params: Params, body: Nothing } }, async (request, reply) => {
    const { pending, answering } = await answered(request)
    await denyRequest(pending, answering)
    return showAnswered(reply, pending, false)
  })

  /** What a person is shown of a request; undefined when its client is gone. */
  async function view(pending: PendingRequest, { account }: SignedIn) {
    const client = await findClient(work.db, pending.clientId)
    if (client === undefined) return undefined
    const asked = await askedFor(pending, account, { work, issuer: config.issuer, detailsTypes })
    return {
      action: `/requests/${pending.id}`,
      client: { name: client.name, verified: !client.dynamic },
      bindingMessage: pending.params.binding_message,
      from: pending.from,
      requestedAt: momentOf(pending.requestedAt),
      permissions: asked.permissions,
      details: detailsView(asked),
      offline: asked.openid.includes('offline_access'),
    }
  }

  /** @throws {PublicError} 400 for a code that is not there, and 429 for too many (RFC 8628 5.1) */
  async function open(request: FastifyRequest, { session, account }: SignedIn, userCode: string) {
    await limits.userCodesOfNetwork.count(networkOf(request.ip))
    await limits.userCodesOfAccount.count(account.id)
    const origin = { credential: { kind: 'first_party_session', id: session.id }, from: request.ip }
    const subject = { kind: 'account', id: account.id } as const
    const opened = await work.atOnce(async () => {
      const found = await openDeviceRequest(work.db, userCodes.digestsOf(userCode), session.id, new Date())
      if (found === undefined) return undefined
      const { id, clientId } = found
      await record(work.db, { type: 'device_code.open', ...origin, subject, clientId, details: { request: id } })
      return found
    })
    if (opened !== undefined) return opened
    await refusals.note({ type: 'device_code.open', ...origin, subject, details: { reason: 'unknown_user_code' } })
    const text = 'That code is not good, or too old. Look at your device again; it may show a new one.'
    throw new PublicError(400, 'unknown_user_code', text)
  }

  async function answered(request: FastifyRequest) {
    const signedIn = await findBrowserSession(request, options)
    if (signedIn === undefined) throw requestIsOver()
    const pending = await require((request.params as { id: string }).id, signedIn)
    const origin = { credential: { kind: 'first_party_session', id: signedIn.session.id }, from: request.ip }
    return { pending, answering: { ...signedIn, work, origin } }
  }

  async function require(id: string, signedIn: SignedIn): Promise<PendingRequest> {
    const found = await findRequest(work.db, id, signedIn, new Date())
    if (found === undefined) throw requestIsOver()
    return found
  }

  async function showAnswered(reply: FastifyReply, { clientId }: PendingRequest, allowed: boolean) {
    const client = await findClient(work.db, clientId)
    return show(reply, 'request-answered', { allowed, client: client?.name })
  }
}

/** What a person was about to do before signing in. */
interface Then {
  readonly user_code?: string | undefined
  readonly request?: string | undefined
  readonly list?: '1' | undefined
}

function pathAfter({ user_code: userCode, request, list }: Then): string {
  if (list !== undefined) return '/requests'
  if (request !== undefined) return `/requests/${request}`
  return userCode ? `/device?${new URLSearchParams({ user_code: userCode })}` : '/device'
}

/** As people read it; where they are the server does not know. */
const momentOf = (moment: Date) =>
  new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' }).format(moment)

function showSignInAgain(reply: FastifyReply, { id }: PendingRequest, { account }: SignedIn) {
  return showSignIn(reply, { request: id }, { email: account.email, reauthenticate: true })
}

function showSignIn(reply: FastifyReply, then: Then, data: object = {}) {
  return show(reply, 'sign-in', { action: '/requests/sign-in', hidden: then, ...data })
}

function show(reply: FastifyReply, view: string, data: object) {
  return reply.header('cache-control', 'no-store').type('text/html; charset=utf-8').send(renderView(view, data))
}
