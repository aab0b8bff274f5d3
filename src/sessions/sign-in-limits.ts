import { emailKey } from '../accounts/accounts.ts'
import type { Refusals } from '../audit/refusals.ts'
import { isDatabaseUnavailable } from '../database/unavailable.ts'
import { InvalidSignIn, PublicError, TooManyAttempts } from '../errors.ts'
import type { Attempt } from '../limits/back-off.ts'
import { networkOf } from '../limits/networks.ts'
import type { Limits } from '../limits/policy.ts'
import type { KnownDevices } from '../secrets/known-devices.ts'
import { requireRoomForPassword } from '../secrets/password.ts'

/** Who says to be whom. */
export interface SignInAttempt {
  readonly email: string
  /** The address it comes from. */
  readonly from: string
  /** What the browser was given when somebody signed in there, if it sends it. */
  readonly device?: string | undefined
  /** What a failure is called in the audit. */
  readonly event?: string
}

/**
 * Slows guessing down (ASVS V6.3.1): by account and network, by network, and by account over all networks. Where
 * the account has signed in before only that device counts, so that strangers do not lock its owner out.
 */
export interface SignInLimits {
  /**
   * Runs a sign-in, counting it and writing it down when it fails. An e-mail nobody has is not written.
   * @throws {TooManyAttempts} without running it when there were too many
   * @throws {Overloaded} without running it when more passwords come than can be compared
   */
  guard<T>(attempt: SignInAttempt, signIn: () => Promise<T>): Promise<T>
  /** @throws {TooManyAttempts} when a network makes too many accounts */
  countSignUp(from: string): Promise<void>
  /** @throws {PublicError} 403 when sign-up is closed */
  requireSignUp(): void
}

export interface SignInLimitsDependencies {
  readonly signUp: 'open' | 'closed'
  readonly limits: Limits
  readonly devices: KnownDevices
  readonly refusals: Refusals
}

export function createSignInLimits({ signUp, limits, devices, refusals }: SignInLimitsDependencies): SignInLimits {
  const { passwords, passwordsOfNetwork, passwordsOfAccount } = limits

  /** On a known device that has failed too often one is as good as unknown, not locked out. */
  const beginOnDevice = async (device: string | undefined): Promise<Attempt | undefined> => {
    if (device === undefined) return undefined
    return passwords.begin(`device ${device}`).catch((error: unknown) => {
      if (!(error instanceof TooManyAttempts)) throw error
      return undefined
    })
  }

  return {
    async guard({ email, from, device, event = 'session.start' }, signIn) {
      requireRoomForPassword()
      const account = emailKey(email)
      const network = networkOf(from)
      const note = (reason: string, accountId?: string) => {
        const subject = accountId === undefined ? undefined : ({ kind: 'account', id: accountId } as const)
        return refusals.note({ type: event, subject, from, details: { reason } })
      }
      const noteTooMany = async (error: unknown) => {
        if (error instanceof TooManyAttempts) await note(error.code)
        throw error
      }

      const known = device === undefined ? undefined : devices.recognise(device, account, new Date())
      const onDevice = await beginOnDevice(known)
      const begin = async () => {
        await Promise.all([passwordsOfNetwork.requireLeft(network), passwordsOfAccount.requireLeft(account)])
        return passwords.begin(`account ${account} ${network}`)
      }
      const attempt = onDevice ?? (await begin().catch(noteTooMany))
      try {
        const result = await signIn()
        await attempt.succeeded()
        return result
      } catch (error) {
        if (!(error instanceof InvalidSignIn)) {
          // While the database is away nobody waits for the count; who tried in vain does not wait longer afterwards.
          const given = attempt.giveBack()
          if (isDatabaseUnavailable(error)) given.catch(() => {})
          else await given
          throw error
        }
        attempt.failed()
        await note(error.code, error.accountId)
        if (onDevice === undefined) {
          await Promise.all([passwordsOfNetwork.count(network), passwordsOfAccount.count(account)])
        }
        throw error
      }
    },
    async countSignUp(from) {
      requireRoomForPassword()
      await limits.signUps.count(networkOf(from))
    },
    requireSignUp() {
      if (signUp === 'closed') throw new PublicError(403, 'sign_up_closed', 'Accounts are made by the operator here.')
    },
  }
}
