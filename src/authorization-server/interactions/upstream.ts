import { errors, type Provider } from 'oidc-provider'
import type { IssuedSession } from '../../sessions/sessions.ts'
import type { UpstreamRoutesOptions } from '../../upstreams/routes.ts'
import { startBrowserSession } from './browser-session.ts'
import { isRecent, loginResult } from './login.ts'
import { expired, type InteractionOptions } from './routes.ts'

/**
 * Signs a browser in that comes back from an upstream: a session, and the answer to the login prompt of the interaction
 * that it left from, at once, unless that asks for a sign-in of less long ago. The interaction is named by what was kept of
 * the departure, which the same browser alone gets back, since the cookie of an interaction is not sent elsewhere.
 */
export function createUpstreamEntry(options: InteractionOptions): UpstreamRoutesOptions['signIn'] {
  const { work, engine, refreshCookie, deviceCookie } = options

  return async (request, reply, claim, upstream, interaction) => {
    const entered = work.atOnce(async () => {
      const account = await claim(work.db)
      const started = await startBrowserSession(request, account, options, upstream)
      if (interaction === undefined) return { account, started, next: '/' }
      return { account, started, next: await answerLogin(engine().provider, interaction.uid, started) }
    })
    const { account, started, next } = await entered.catch(expired)
    refreshCookie.write(reply, started.refreshToken, started.refreshExpiresAt)
    deviceCookie.remember(reply, account, new Date())
    return next
  }
}

/**
 * Answers the login prompt, as long as the sign-in is no longer ago than `max_age` (OpenID Connect Core 3.1.2.1); one of 0
 * is `prompt=login` by now, to which the sign-in was held when it arrived.
 * @returns where the authorization request goes on, or its sign-in page when that was too long ago
 * @throws {errors.SessionNotFound} when the interaction is over
 */
async function answerLogin(provider: Provider, uid: string, { account, session }: IssuedSession): Promise<string> {
  const interaction = await provider.Interaction.find(uid)
  if (interaction?.prompt.name !== 'login') throw new errors.SessionNotFound('the interaction is over')
  if (!isRecent(interaction.params, session, new Date())) return `/interaction/${uid}`
  interaction.result = { ...interaction.lastSubmission, ...loginResult(account, session) }
  await interaction.persist()
  return interaction.returnTo
}
