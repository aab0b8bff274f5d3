import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider'
import { findSession } from '../../sessions/sessions.ts'
import { askedAcrValues, knownSignIn, metAcr } from '../authentication-context.ts'
import type { AuthorizationServerDependencies } from '../dependencies.ts'

const { Check, base } = interactionPolicy

/**
 * When a person is asked to sign in or to consent. Besides the engine's own reasons:
 * a provider session is good only while the first-party session it came from is (one sign-out ends both);
 * a sign-in must be of a class that is asked for (RFC 9470 5);
 * and a client whose identity is not assured is consented to each time (ASVS V10.7.1).
 */
export function createInteractionPolicy({ work, refreshCookie }: AuthorizationServerDependencies) {
  const policy = base()

  policy.get('login')?.checks.add(
    new Check('sign_in_over', 'the sign-in this session came from is over', 'login_required', async (ctx) => {
      const { session } = ctx.oidc
      if (session?.accountId === undefined) return Check.NO_NEED_TO_PROMPT
      const refreshToken = ctx.cookies.get(refreshCookie.name, { signed: false })
      const found = refreshToken && (await findSession(work.db, refreshToken, new Date()))
      return found && found.account.id === session.accountId ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT
    }),
  )

  policy.get('login')?.checks.add(
    new Check('acr_not_met', 'a sign-in of another class is asked for', 'login_required', ({ oidc }) => {
      const { session, params } = oidc
      const loginTs = session?.loginTs
      if (session === undefined || loginTs === undefined) return Check.NO_NEED_TO_PROMPT
      const acr = metAcr(knownSignIn(session.acr, loginTs), askedAcrValues(params?.acr_values), new Date())
      // What is issued from here on says so.
      if (acr !== undefined) session.acr = acr
      return acr === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT
    }),
  )

  const consent = policy.get('consent')
  consent?.checks.remove('native_client_prompt')
  consent?.checks.add(
    new Check('client_not_assured', 'this client needs consent each time', 'consent_required', (ctx) =>
      isAssured(ctx) || ctx.oidc.result?.consent !== undefined ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT,
    ),
  )
  return policy
}

function isAssured(ctx: KoaContextWithOIDC): boolean {
  const { client } = ctx.oidc
  return client?.first_party === true || (client?.clientAuthMethod !== 'none' && client?.dynamic !== true)
}
