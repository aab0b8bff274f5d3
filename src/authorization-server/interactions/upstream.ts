import { errors, type InteractionResults, type Provider } from 'oidc-provider'
import type { UpstreamRoutesOptions } from '../../upstreams/routes.ts'
import { startBrowserSession } from './browser-session.ts'
import { loginResult } from './login.ts'
import { expired, type InteractionOptions } from './routes.ts'

/**
 * Signs a browser in that comes back from an upstream: a session, and the answer to the login prompt of the interaction
 * that it left from, at once. That is named by what was kept of the departure, which the same browser alone gets back,
 * since the cookie of an interaction is not sent elsewhere.
 */
export function createUpstreamEntry(options: InteractionOptions): UpstreamRoutesOptions['signIn'] {
  const { work, engine, refreshCookie, deviceCookie } = options

  return async (request, reply, claim, upstream, interaction) => {
    const entered = work.atOnce(async () => {
      const account = await claim(work.db)
      const started = await startBrowserSession(request, account, options, upstream)
      if (interaction === undefined) return { account, started, next: '/' }
      const result = loginResult(account, started.session)
      return { account, started, next: await answerLogin(engine().provider, interaction.uid, result) }
    })
    const { account, started, next } = await entered.catch(expired)
    refreshCookie.write(reply, started.refreshToken, started.refreshExpiresAt)
    deviceCookie.remember(reply, account, new Date())
    return next
  }
}

/** @throws {errors.SessionNotFound} when the interaction is over */
async function answerLogin(provider: Provider, uid: string, result: InteractionResults): Promise<string> {
  const interaction = await provider.Interaction.find(uid)
  if (interaction?.prompt.name !== 'login') throw new errors.SessionNotFound('the interaction is over')
  interaction.result = { ...interaction.lastSubmission, ...result }
  await interaction.persist()
  return interaction.returnTo
}
