import { randomBytes } from 'node:crypto'
import { keyedDigest } from './keyed-digest.ts'
import { digestsEqual } from './opaque-token.ts'
import type { Sealer } from './sealed.ts'

const LIFETIME_MS = 365 * 24 * 60 * 60 * 1000

/** Tells where somebody has signed in before (OWASP: device cookies). It lets nobody in: the password is still asked for. */
export interface KnownDevices {
  /** A value to keep where an account has just signed in. */
  remember(account: string, now: Date): { readonly value: string; readonly expires: Date }
  /** The name of the device, when this account was remembered there with this value. */
  recognise(value: string, account: string, now: Date): string | undefined
}

/** The values are signed under the keys of SECRET_KEYS and kept nowhere here. */
export function createKnownDevices(sealer: Sealer): KnownDevices {
  const keys = sealer.derive('known device')
  const sign = (key: Uint8Array, device: string, account: string) => keyedDigest(key, `${device}\n${account}`)

  return {
    remember(account, now) {
      const expires = new Date(now.getTime() + LIFETIME_MS)
      const device = `${randomBytes(16).toString('base64url')}.${Math.floor(expires.getTime() / 1000)}`
      return { value: `${device}.${sign(keys[0] as Uint8Array, device, account)}`, expires }
    },
    recognise(value, account, now) {
      const [, device = '', until = '', signature = ''] = /^([\w-]{22}\.(\d{1,12}))\.([\w-]{43})$/.exec(value) ?? []
      if (Number(until) * 1000 <= now.getTime()) return undefined
      const isOurs = keys.some((key) => digestsEqual(sign(key, device, account), signature))
      return isOurs ? device : undefined
    },
  }
}
