import { replaceCompromisedKeys, rotateSigningKeys } from '../keys/rotation.ts'
import { isCurrent, isNext, isRetired, jwksMaxAge, type KeyStates, knownAt, stateOf } from '../keys/schedule.ts'
import { listSigningKeys } from '../keys/signing-keys.ts'
import type { Command } from './command.ts'

export const keyCommands: readonly Command[] = [
  {
    name: 'keys list',
    usage: '',
    summary: 'List the signing keys: the next, the current and the retired ones',
    options: {},
    async run({ db }) {
      const keys = await listSigningKeys(db)
      return {
        keys: keys.map((key) => ({
          ...named(key),
          state: stateOf(key),
          created_at: key.createdAt.toISOString(),
          activated_at: key.activatedAt?.toISOString() ?? null,
          retired_at: key.retiredAt?.toISOString() ?? null,
        })),
      }
    },
  },
  {
    name: 'keys rotate',
    usage: '[--compromised]',
    summary:
      'Sign with the next keys from now on; what the old ones signed stays good. With --compromised new keys sign, and ' +
      'what any key signed before is refused. Servers follow within a second',
    options: { compromised: { type: 'boolean' } },
    async run({ db, sealer, now, config, options }) {
      if (options.compromised === true) await replaceCompromisedKeys(db, sealer, now)
      else await rotateSigningKeys(db, sealer, now)
      const keys = await listSigningKeys(db)
      const signing = keys.filter(isCurrent)
      const known = knownAt(keys, jwksMaxAge(config.keyRotationDays))
      return {
        signing: signing.map(named),
        next: keys.filter(isNext).map(named),
        retired: keys.filter(isRetired).map(named),
        ...(known > now ? { caution: unknownUntil(known) } : {}),
      }
    },
  },
]

const named = ({ kid, purpose, alg }: KeyStates) => ({ kid, purpose, alg })

const unknownUntil = (moment: Date) =>
  `A verifier that keeps the published keys may not know those that sign before ${moment.toISOString()}, ` +
  'unless it looks again for a key it does not know.'
