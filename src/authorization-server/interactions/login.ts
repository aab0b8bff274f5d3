import type { Interaction, InteractionResults } from 'oidc-provider'
import type { Account } from '../../accounts/accounts.ts'
import type { FirstPartySession } from '../../sessions/sessions.ts'
import { askedAcrValues, metAcr, methodOf, signInOf } from '../authentication-context.ts'

/** Reasons to ask for a sign-in that a sign-in made before can satisfy. */
const SATISFIED_BY_A_SESSION = new Set(['no_session', 'sign_in_over', 'max_age', 'acr_not_met'])

/**
 * Whether a live first-party session answers a login prompt: not when the client asked for a new
 * sign-in or another person, nor when the sign-in is older than `max_age` (OpenID Connect Core 3.1.2.1), or of no
 * class that is asked for.
 */
export function satisfiesLogin({ prompt, params }: Interaction, session: FirstPartySession, now: Date): boolean {
  if (!prompt.reasons.every((reason) => SATISFIED_BY_A_SESSION.has(reason))) return false
  if (metAcr(signInOf(session), askedAcrValues(params.acr_values), now) === undefined) return false
  return isRecent(params, session, now)
}

/** Whether a sign-in is no longer ago than the `max_age` that was asked for. */
export function isRecent({ max_age }: { max_age?: unknown }, session: FirstPartySession, now: Date): boolean {
  if (max_age === undefined) return true
  return now.getTime() - session.authenticatedAt.getTime() <= Number(max_age) * 1000
}

/** How many seconds ago a person may have signed in elsewhere for this; 0 for who is to sign in again, whenever that was. */
export function maxAgeOf({ prompt, params }: Interaction): number | undefined {
  if (!prompt.reasons.every((reason) => SATISFIED_BY_A_SESSION.has(reason))) return 0
  return params.max_age === undefined ? undefined : Number(params.max_age)
}

/** The result of a login prompt: who signed in, when, and by what (RFC 8176). */
export function loginResult(account: Account, session: FirstPartySession): InteractionResults {
  return {
    login: {
      accountId: account.id,
      ts: Math.floor(session.authenticatedAt.getTime() / 1000),
      ...methodOf(session),
    },
  }
}
