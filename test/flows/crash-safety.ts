import t from 'tap'
import { runRounds } from '../../chaos/crash/rounds.ts'
import { skipWithoutPostgres } from '../fixtures/postgres.ts'

/** A few rounds of `npm run chaos`. */
t.test('what clients were told stands after a crash (ASVS V2.3.3)', { skip: skipWithoutPostgres }, async (t) => {
  const { violations, counts } = await runRounds(t, { kills: 2, restarts: 1, freezes: 0 })
  t.strictSame(violations, [])
  t.ok(counts.checked > 50 && counts.revoked > 0 && counts.unavailable > 0, JSON.stringify(counts))
})
