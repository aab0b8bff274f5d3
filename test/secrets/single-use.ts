import t from 'tap'
import { wasUnderWay } from '../../src/secrets/single-use.ts'

const consumedAt = new Date('2026-01-01T00:00:00Z')
const before = (milliseconds: number) => new Date(consumedAt.getTime() - milliseconds)

t.test('a request is simultaneous when it arrived shortly before the consumption, not after, not long before', (t) => {
  t.ok(wasUnderWay(before(0), consumedAt))
  t.ok(wasUnderWay(before(4_999), consumedAt))
  t.notOk(wasUnderWay(before(-1), consumedAt))
  t.notOk(wasUnderWay(before(5_000), consumedAt))
  t.end()
})
