import { emailKey } from '../accounts/accounts.ts'
import { InvalidSignIn, PublicError } from '../errors.ts'
import { createAttemptLimit } from '../http/rate-limits.ts'
import { digest } from '../secrets/opaque-token.ts'

/** Slows guessing down: by account and network, so that a stranger cannot lock an owner out, and by network. */
export interface SignInLimits {
  /**
   * Runs a sign-in, counting it when it fails.
   * @throws {TooManyAttempts} without running it when there were too many
   */
  guard<T>(email: string, from: string, signIn: () => Promise<T>): Promise<T>
  /** @throws {TooManyAttempts} when a network makes too many accounts */
  countSignUp(from: string): Promise<void>
  /** @throws {PublicError} 403 when sign-up is closed */
  requireSignUp(): void
}

export function createSignInLimits(signUp: 'open' | 'closed'): SignInLimits {
  const byAccount = createAttemptLimit(10, 300)
  const byNetwork = createAttemptLimit(300, 300)
  const signUps = createAttemptLimit(500, 3600)

  return {
    async guard(email, from, signIn) {
      const account = `${digest(emailKey(email))} ${from}`
      await byNetwork.attempt(from)
      await byAccount.attempt(account)
      const giveBack = () => Promise.all([byAccount.succeeded(account), byNetwork.succeeded(from)])
      try {
        const result = await signIn()
        await giveBack()
        return result
      } catch (error) {
        if (!(error instanceof InvalidSignIn)) await giveBack()
        throw error
      }
    },
    countSignUp: (from) => signUps.attempt(from),
    requireSignUp() {
      if (signUp === 'closed') throw new PublicError(403, 'sign_up_closed', 'Accounts are made by the operator here.')
    },
  }
}
