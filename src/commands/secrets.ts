import { OPERATOR, record } from '../audit/audit.ts'
import { resealSigningKeys } from '../keys/signing-keys.ts'
import type { Command } from './command.ts'

export const secretCommands: readonly Command[] = [
  {
    name: 'secrets rotate',
    usage: '',
    summary: 'Seal what is sealed under the first of SECRET_KEYS, so that the others can be dropped. Servers go on',
    options: {},
    async run({ db, sealer }) {
      return db.transaction(async (tx) => {
        const { resealed, of } = await resealSigningKeys(tx, sealer)
        if (resealed > 0) await record(tx, { type: 'secrets.rotate', ...OPERATOR, details: { signing_keys: resealed } })
        return { resealed, already: of - resealed }
      })
    },
  },
]
