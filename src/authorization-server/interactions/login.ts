import type { Interaction, InteractionResults } from 'oidc-provider'
import type { Account } from '../../accounts/accounts.ts'
import type { FirstPartySession } from '../../sessions/sessions.ts'

/** Reasons to ask for a sign-in that a sign-in made before can satisfy. */
const SATISFIED_BY_A_SESSION = new Set(['no_session', 'sign_in_over', 'max_age'])

/**
 * Whether a live first-party session answers a login prompt: not when the client asked for a new
 * sign-in or another person, nor when the sign-in is older than `max_age` (OpenID Connect Core 3.1.2.1).
 */
export function satisfiesLogin({ prompt, params }: Interaction, session: FirstPartySession, now: Date): boolean {
  if (!prompt.reasons.every((reason) => SATISFIED_BY_A_SESSION.has(reason))) return false
  if (params.max_age === undefined) return true
  return now.getTime() - session.authenticatedAt.getTime() <= Number(params.max_age) * 1000
}

/** The result of a login prompt: who signed in, when, and by what (RFC 8176). */
export function loginResult(account: Account, session: FirstPartySession): InteractionResults {
  return {
    login: {
      accountId: account.id,
      ts: Math.floor(session.authenticatedAt.getTime() / 1000),
      amr: ['pwd'],
    },
  }
}
