import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors, type Interaction, type InteractionResults } from 'oidc-provider'
import { Type } from 'typebox'
import { type Account, createAccount } from '../../accounts/accounts.ts'
import { authenticateAccount } from '../../accounts/authentication.ts'
import { Email, Name, NewPassword, Password } from '../../accounts/schemas.ts'
import { type Client, findClient } from '../../clients/clients.ts'
import { redirectHost } from '../../clients/redirect-uris.ts'
import { PublicError } from '../../errors.ts'
import { createErrorHandler, refusalFor } from '../../http/error-handler.ts'
import { respondWithPage } from '../../http/error-page.ts'
import { requireSameOrigin } from '../../http/same-origin.ts'
import { contentSecurityPolicy, formActionSource } from '../../http/security-headers.ts'
import { renderView } from '../../http/views.ts'
import type { UpstreamCookie } from '../../sessions/cookie.ts'
import type { SignInLimits } from '../../sessions/sign-in-limits.ts'
import type { UpstreamSignIns } from '../../upstreams/sign-ins.ts'
import { listUpstreams, UPSTREAM_ID } from '../../upstreams/upstreams.ts'
import { takesUpstream } from '../authentication-context.ts'
import type { AuthorizationServerDependencies } from '../dependencies.ts'
import type { Engine } from '../engine.ts'
import { findBrowserSession, startBrowserSession } from './browser-session.ts'
import { askedFor, consentView, grantConsent } from './consent.ts'
import { loginResult, maxAgeOf, satisfiesLogin } from './login.ts'

export interface InteractionOptions extends AuthorizationServerDependencies {
  readonly engine: () => Engine
  readonly signInLimits: SignInLimits
  readonly upstreamSignIns: UpstreamSignIns
  readonly upstreamCookie: UpstreamCookie
}

const Params = Type.Object({ uid: Type.String({ pattern: '^[\\w-]{1,64}$' }) })
const AtUpstream = Type.Object({ ...Params.properties, id: Type.String({ pattern: UPSTREAM_ID.source }) })
const SignIn = Type.Object({ email: Email, password: Password }, { additionalProperties: false })
const Register = Type.Object(
  { email: Email, password: NewPassword, name: Type.Optional(Name) },
  { additionalProperties: false },
)
const Nothing = Type.Optional(Type.Object({}, { additionalProperties: false }))

/** The pages of an authorization request: sign in, create account, consent. */
export const interactionRoutes: FastifyPluginAsyncTypebox<InteractionOptions> = async (app, options) => {
  const { config, work, engine, refreshCookie, deviceCookie, signInLimits, refusals } = options
  const { upstreamSignIns, upstreamCookie } = options
  const host = new URL(config.issuer).hostname
  app.removeAllContentTypeParsers()
  await app.register(formbody)
  app.setErrorHandler(createErrorHandler(respondWithPage))
  app.addHook('onRequest', async (request) => {
    if (request.method === 'POST') requireSameOrigin(request, [config.issuer], { proof: false })
  })

  app.get('/interaction/:uid', { schema: { params: Params } }, async (request, reply) => {
    const { interaction, client } = await current(request, reply)
    const signedIn = await findBrowserSession(request, options)
    if (interaction.prompt.name === 'login') {
      if (signedIn !== undefined && satisfiesLogin(interaction, signedIn.session, new Date())) {
        return finish(request, reply, loginResult(signedIn.account, signedIn.session))
      }
      return show(reply, interaction, 'sign-in', await signInView(interaction, client))
    }
    if (signedIn === undefined || signedIn.account.id !== interaction.session?.accountId) return signedOut()
    const asked = await askedFor(interaction, signedIn.account, { ...options, issuer: config.issuer })
    return show(reply, interaction, 'consent', consentView(interaction, client, signedIn.account, asked, new Date()))
  })

  app.get('/interaction/:uid/create-account', { schema: { params: Params } }, async (request, reply) => {
    const { interaction, client } = await current(request, reply, 'login')
    return show(reply, interaction, 'create-account', createAccountView(interaction, client))
  })

  app.post('/interaction/:uid/login', { schema: { params: Params, body: SignIn } }, async (request, reply) => {
    const { interaction, client } = await current(request, reply, 'login')
    const { email, password } = request.body
    try {
      const account = await signInLimits.guard({ email, from: request.ip, device: deviceCookie.read(request) }, () =>
        authenticateAccount(work.db, email, password),
      )
      return await signIn(request, reply, account)
    } catch (error) {
      const again = { ...(await signInView(interaction, client)), email, error: refusalFor(error, request, reply) }
      return show(reply, interaction, 'sign-in', again)
    }
  })

  app.get('/interaction/:uid/upstreams/:id', { schema: { params: AtUpstream } }, async (request, reply) => {
    requireSameOrigin(request, [config.issuer], { proof: false })
    const { interaction } = await current(request, reply, 'login')
    const leavingFrom = { uid: interaction.uid, redirectUri: String(interaction.params.redirect_uri) }
    const purpose = { interaction: leavingFrom, maxAge: maxAgeOf(interaction) }
    const visitor = { from: request.ip, browser: upstreamCookie.read(request) }
    const departure = await upstreamSignIns.begin(request.params.id, purpose, visitor)
    upstreamCookie.write(reply, departure.browser, departure.expires)
    return reply.redirect(departure.url, 303)
  })

  app.post(
    '/interaction/:uid/create-account',
    { schema: { params: Params, body: Register } },
    async (request, reply) => {
      const { interaction, client } = await current(request, reply, 'login')
      const { email, password, name } = request.body
      try {
        signInLimits.requireSignUp()
        await signInLimits.countSignUp(request.ip)
        const account = await createAccount(work.db, { email, password, name, host }, { from: request.ip })
        return await signIn(request, reply, account)
      } catch (error) {
        const again = {
          ...createAccountView(interaction, client),
          email,
          name,
          error: refusalFor(error, request, reply),
        }
        return show(reply, interaction, 'create-account', again)
      }
    },
  )

  app.post('/interaction/:uid/consent', { schema: { params: Params, body: Nothing } }, async (request, reply) => {
    const { interaction } = await current(request, reply, 'consent')
    const signedIn = await findBrowserSession(request, options)
    if (signedIn === undefined || signedIn.account.id !== interaction.session?.accountId) return signedOut()
    const asked = await askedFor(interaction, signedIn.account, { ...options, issuer: config.issuer })
    const credential = { kind: 'first_party_session', id: signedIn.session.id }
    const { provider } = engine()
    const origin = { credential, from: request.ip }
    const returnTo = await work
      .atOnce(async () => {
        const grantId = await grantConsent({ provider, work }, interaction, signedIn.account, asked, origin)
        return provider.interactionResult(request.raw, reply.raw, { consent: { grantId } })
      })
      .catch(expired)
    return reply.redirect(returnTo, 303)
  })

  app.post('/interaction/:uid/abort', { schema: { params: Params, body: Nothing } }, async (request, reply) => {
    const { interaction, client } = await current(request, reply)
    const id = interaction.session?.accountId
    await refusals.note({
      type: 'grant.give',
      subject: id === undefined ? undefined : { kind: 'account', id },
      clientId: client.id,
      from: request.ip,
      details: { reason: 'access_denied', prompt: interaction.prompt.name },
    })
    return finish(request, reply, { error: 'access_denied', error_description: 'the person declined' })
  })

  /** The interaction of this browser, which its cookie names, not the path alone. */
  async function current(request: FastifyRequest, reply: FastifyReply, prompt?: string) {
    const interaction = await engine().provider.interactionDetails(request.raw, reply.raw).catch(expired)
    const { uid } = request.params as { uid: string }
    const client = await findClient(work.db, String(interaction.params.client_id))
    if (
      interaction.uid !== uid ||
      client === undefined ||
      (prompt !== undefined && interaction.prompt.name !== prompt)
    ) {
      return expired(new errors.SessionNotFound('another interaction'))
    }
    return { interaction, client }
  }

  /** Starts a session and answers the login prompt by it, at once: who sees an error is as before, and may try again. */
  async function signIn(request: FastifyRequest, reply: FastifyReply, account: Account) {
    const { returnTo, started } = await work.atOnce(async () => {
      const started = await startBrowserSession(request, account, options)
      const result = loginResult(account, started.session)
      return { started, returnTo: await engine().provider.interactionResult(request.raw, reply.raw, result) }
    })
    refreshCookie.write(reply, started.refreshToken, started.refreshExpiresAt)
    deviceCookie.remember(reply, account, new Date())
    return reply.redirect(returnTo, 303)
  }

  async function finish(request: FastifyRequest, reply: FastifyReply, result: InteractionResults) {
    const { provider } = engine()
    const returnTo = await provider.interactionResult(request.raw, reply.raw, result).catch(expired)
    return reply.redirect(returnTo, 303)
  }

  async function signInView(interaction: Interaction, client: Client) {
    const path = `/interaction/${interaction.uid}`
    const upstreams = takesUpstream(interaction.params.acr_values) ? await listUpstreams(work.db) : []
    return {
      action: `${path}/login`,
      abortAction: `${path}/abort`,
      registerHref: config.signUp === 'open' ? `${path}/create-account` : undefined,
      client: shown(interaction, client),
      email: interaction.params.login_hint,
      upstreams: upstreams.map(({ id, name }) => ({ name, href: `${path}/upstreams/${id}` })),
      reauthenticate: interaction.prompt.reasons.some((reason) =>
        ['login_prompt', 'max_age', 'acr_not_met'].includes(reason),
      ),
    }
  }

  function createAccountView(interaction: Interaction, client: Client) {
    const path = `/interaction/${interaction.uid}`
    return {
      action: `${path}/create-account`,
      signInHref: path,
      abortAction: `${path}/abort`,
      client: shown(interaction, client),
    }
  }
}

const shown = ({ params }: Interaction, { name }: Client) => ({ name, host: redirectHost(String(params.redirect_uri)) })

function show(reply: FastifyReply, { params }: Interaction, view: string, data: object) {
  const source = formActionSource(String(params.redirect_uri))
  return reply
    .header('content-security-policy', contentSecurityPolicy(source === undefined ? [] : [source]))
    .header('cache-control', 'no-store')
    .type('text/html; charset=utf-8')
    .send(renderView(view, data))
}

/** @throws {PublicError} 400 for an interaction that is over, and anything else as it is */
export function expired(cause: unknown): never {
  if (!(cause instanceof errors.SessionNotFound)) throw cause
  const detail =
    'This sign-in has expired, or was begun in another browser. Go back to the application and start again.'
  throw new PublicError(400, 'interaction_not_found', detail, { cause })
}

function signedOut(): never {
  return expired(new errors.SessionNotFound('signed out, or signed in as another, since the request began'))
}
