import { listSigningKeys, rotateSigningKeys } from '../keys/signing-keys.ts'
import type { Command } from './command.ts'

export const keyCommands: readonly Command[] = [
  {
    name: 'keys list',
    usage: '',
    summary: 'List the signing keys',
    options: {},
    async run({ db }) {
      const keys = await listSigningKeys(db)
      return {
        keys: keys.map(({ kid, purpose, alg, createdAt, retiredAt }) => ({
          kid,
          purpose,
          alg,
          created_at: createdAt.toISOString(),
          retired_at: retiredAt?.toISOString() ?? null,
        })),
      }
    },
  },
  {
    name: 'keys rotate',
    usage: '',
    summary: 'Sign with new keys from now on; what the old ones signed stays good. Servers follow within seconds',
    options: {},
    async run({ db, sealer, now }) {
      await rotateSigningKeys(db, sealer, now)
      const keys = await listSigningKeys(db)
      return {
        signing: keys
          .filter(({ retiredAt }) => retiredAt === null)
          .map(({ kid, purpose, alg }) => ({ kid, purpose, alg })),
      }
    },
  },
]
