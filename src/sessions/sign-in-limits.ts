import { emailKey } from '../accounts/accounts.ts'
import type { Refusals } from '../audit/refusals.ts'
import { InvalidSignIn, PublicError, TooManyAttempts } from '../errors.ts'
import { createAttemptLimit } from '../http/rate-limits.ts'
import { digest } from '../secrets/opaque-token.ts'

/** Slows guessing down: by account and network, so that a stranger cannot lock an owner out, and by network. */
export interface SignInLimits {
  /**
   * Runs a sign-in, counting it and writing it down when it fails. An e-mail nobody has is not written.
   * @throws {TooManyAttempts} without running it when there were too many
   */
  guard<T>(email: string, from: string, signIn: () => Promise<T>): Promise<T>
  /** @throws {TooManyAttempts} when a network makes too many accounts */
  countSignUp(from: string): Promise<void>
  /** @throws {PublicError} 403 when sign-up is closed */
  requireSignUp(): void
}

export function createSignInLimits(signUp: 'open' | 'closed', refusals: Refusals): SignInLimits {
  const byAccount = createAttemptLimit(10, 300)
  const byNetwork = createAttemptLimit(300, 300)
  const signUps = createAttemptLimit(500, 3600)

  return {
    async guard(email, from, signIn) {
      const account = `${digest(emailKey(email))} ${from}`
      const giveBack = () => Promise.all([byAccount.succeeded(account), byNetwork.succeeded(from)])
      const note = (reason: string, accountId?: string) => {
        const subject = accountId === undefined ? undefined : ({ kind: 'account', id: accountId } as const)
        return refusals.note({ type: 'session.start', subject, from, details: { reason } })
      }
      try {
        await byNetwork.attempt(from)
        await byAccount.attempt(account)
      } catch (error) {
        if (error instanceof TooManyAttempts) await note(error.code)
        throw error
      }
      try {
        const result = await signIn()
        await giveBack()
        return result
      } catch (error) {
        if (error instanceof InvalidSignIn) await note(error.code, error.accountId)
        else await giveBack()
        throw error
      }
    },
    countSignUp: (from) => signUps.attempt(from),
    requireSignUp() {
      if (signUp === 'closed') throw new PublicError(403, 'sign_up_closed', 'Accounts are made by the operator here.')
    },
  }
}
