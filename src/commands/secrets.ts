import { OPERATOR, record } from '../audit/audit.ts'
import { resealAnswers } from '../idempotency-keys/idempotency-keys.ts'
import { resealSigningKeys } from '../keys/signing-keys.ts'
import { resealPings } from '../ping-notices/ping-notices.ts'
import { resealAttempts } from '../upstreams/attempts.ts'
import { resealUpstreams } from '../upstreams/upstreams.ts'
import type { Command } from './command.ts'

export const secretCommands: readonly Command[] = [
  {
    name: 'secrets rotate',
    usage: '',
    summary: 'Seal what is sealed under the first of SECRET_KEYS, so that the others can be dropped. Servers go on',
    options: {},
    async run({ db, sealer }) {
      return db.transaction(async (tx) => {
        const outcomes = {
          signing_keys: await resealSigningKeys(tx, sealer),
          answers: await resealAnswers(tx, sealer),
          ping_notices: await resealPings(tx, sealer),
          upstreams: await resealUpstreams(tx, sealer),
          upstream_attempts: await resealAttempts(tx, sealer),
        }
        const all = Object.values(outcomes)
        const resealed = all.reduce((sum, outcome) => sum + outcome.resealed, 0)
        const details = Object.fromEntries(Object.entries(outcomes).map(([name, outcome]) => [name, outcome.resealed]))
        if (resealed > 0) await record(tx, { type: 'secrets.rotate', ...OPERATOR, details })
        return { resealed, already: all.reduce((sum, outcome) => sum + outcome.of, 0) - resealed }
      })
    },
  },
]
