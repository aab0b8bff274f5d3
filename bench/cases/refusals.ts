import { makeApiKey } from '../../src/secrets/api-key.ts'
import { makeOpaqueToken } from '../../src/secrets/opaque-token.ts'
import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import { bearer } from '../gatehouse/http.ts'
import type { Load, Variant } from '../load/load.ts'
import type { Case } from './case.ts'

const MANY = 2_000
const TOKENS_PER_SECOND = 4_000
/** A network that presents too many values that nobody was given is told so, after the same look-up. */
const REFUSED = [401, 429]

/** An API key whose checksum is that of another. */
export function mistypedKey(): string {
  const key = makeApiKey('gk_live_')
  return key.slice(0, -1) + (key.endsWith('0') ? '1' : '0')
}

/** What strangers and scripts with a typo present. */
export function refusals(gatehouse: Gatehouse): Case[] {
  const shared = { group: 'refused', server: async () => gatehouse.process } as const
  const refused = (count: number, variant: () => Variant): Load => ({
    path: '/api/me',
    variants: Array.from({ length: count }, variant),
    expected: REFUSED,
  })
  const unknownToken = () => ({ headers: bearer(makeOpaqueToken()) })
  return [
    {
      ...shared,
      name: 'mistyped-api-key',
      title: 'API key with a bad checksum',
      load: () => ({ ...refused(MANY, () => ({ headers: { 'x-api-key': mistypedKey() } })), isAwake: true }),
    },
    {
      ...shared,
      name: 'unknown-token',
      title: 'Unknown opaque token, another each time',
      load: (seconds) => ({ ...refused(seconds * TOKENS_PER_SECOND, unknownToken), once: true }),
    },
    {
      ...shared,
      name: 'unknown-token-again',
      title: 'Unknown opaque token, the same again',
      load: () => ({ path: '/api/me', ...unknownToken(), expected: REFUSED, isAwake: true }),
    },
  ]
}
