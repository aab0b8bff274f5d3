import t from 'tap'
import {
  createSchedule,
  jwksMaxAge,
  type KeyStates,
  planRotation,
  planSchedule,
  type RotationPlan,
  WANTED,
} from '../../src/keys/schedule.ts'

const DAY = 24 * 60 * 60 * 1000
const at = (days: number) => new Date(Date.parse('2030-01-01T00:00:00Z') + days * DAY)
const schedule = createSchedule(30, { authorization_server: 14 * 24 * 60 * 60, first_party: 300 })
const nobody = new Set<string>()

/** Carries a plan out on a list, as the database would. */
function follow(keys: readonly KeyStates[], plan: RotationPlan, now: Date): KeyStates[] {
  const made = plan.create.map(({ purpose, alg, signs }, index) => ({
    ...{ kid: `${purpose} ${alg} ${now.getTime()} ${index}`, purpose, alg, createdAt: now },
    ...{ activatedAt: signs ? now : undefined, retiredAt: undefined },
  }))
  const kept = keys
    .filter(({ kid }) => !plan.delete.includes(kid))
    .map((key) => ({
      ...key,
      activatedAt: plan.activate.includes(key.kid) ? now : key.activatedAt,
      retiredAt: plan.retire.includes(key.kid) ? now : key.retiredAt,
    }))
  return [...kept, ...made]
}

const never = () => false
const first = follow([], planRotation([], never, never), at(0))
const counts = (plan: RotationPlan) => Object.values(plan).map(({ length }) => length)

t.test('by default a key signs for 30 days, and is published for 7 before that', async (t) => {
  t.strictSame([schedule.signMs, schedule.aheadMs], [30 * DAY, 7 * DAY])
})

t.test('no verifier may keep the published keys for longer than a key is published before it signs', async (t) => {
  for (const days of [0.0001, 0.001, 0.1, 1, 30, 365]) {
    const { aheadMs, tickMs } = createSchedule(days, { authorization_server: 600, first_party: 300 })
    const maxAgeMs = jwksMaxAge(days) * 1000
    t.ok(maxAgeMs < aheadMs, `${days} days`)
    t.ok(tickMs < aheadMs && tickMs <= 60_000)
  }
})

t.test('nothing is due for 30 days; then the next keys sign, and others are made', async (t) => {
  t.strictSame(counts(planSchedule(first, schedule, at(29.9), nobody)), [0, 0, 0, 0])
  const plan = planSchedule(first, schedule, at(30), nobody)
  t.strictSame(counts(plan), [4, 0, 4, 4])
  t.ok(plan.create.every(({ signs }) => !signs))
  t.strictSame(counts(planSchedule(follow(first, plan, at(30)), schedule, at(30), nobody)), [0, 0, 0, 0], 'once')
})

t.test('a next key that has not been published for 7 days waits, however long the current one signs', async (t) => {
  const late = first.map((key) => (key.activatedAt === undefined ? { ...key, createdAt: at(40) } : key))
  t.strictSame(counts(planSchedule(late, schedule, at(46.9), nobody)), [0, 0, 0, 0])
  t.strictSame(counts(planSchedule(late, schedule, at(47), nobody)), [4, 0, 4, 4])
  const without = first.filter(({ activatedAt }) => activatedAt !== undefined)
  t.strictSame(
    counts(planSchedule(without, schedule, at(90), nobody)),
    [0, 0, 0, 4],
    'one that is missing is made first',
  )
})

t.test('a retired key goes once nothing it signed is of use, one that is needed stays', async (t) => {
  const rotated = follow(first, planSchedule(first, schedule, at(30), nobody), at(30))
  const gone = (days: number, needed = nobody) =>
    planSchedule(rotated, schedule, at(30 + days), needed)
      .delete.map((kid) => kid.split(' ').slice(0, 2).join(' '))
      .toSorted()
  t.strictSame(gone(0), [])
  t.strictSame(gone(5 / 24 / 60), [], 'a first-party JWT is good for 5 minutes, and clocks differ')
  t.strictSame(gone(21 / 24 / 60), ['first_party ES256'])
  t.strictSame(gone(1), ['audit ES256', 'first_party ES256'])
  t.strictSame(gone(14), ['audit ES256', 'first_party ES256'], 'an ID token is a hint when people sign out')
  t.strictSame(gone(14.1), [
    'audit ES256',
    'authorization_server ES256',
    'authorization_server RS256',
    'first_party ES256',
  ])
  const audits = new Set(rotated.filter(({ purpose }) => purpose === 'audit').map(({ kid }) => kid))
  t.notOk(gone(1000, audits).includes('audit ES256'))
})

t.test(
  'over two years of looking now and then one key of each kind signs, and was published a week before',
  async (t) => {
    let keys = first
    let rotations = 0
    for (let day = 0; day < 730; day += 0.37) {
      const plan = planSchedule(keys, schedule, at(day), nobody)
      rotations += plan.activate.length
      for (const kid of plan.activate) {
        const key = keys.find((candidate) => candidate.kid === kid)
        if (at(day).getTime() - Number(key?.createdAt) < 7 * DAY) t.fail('signs too early')
      }
      keys = follow(keys, plan, at(day))
      for (const { purpose, alg } of WANTED) {
        const own = keys.filter((key) => key.purpose === purpose && key.alg === alg)
        const current = own.filter(({ activatedAt, retiredAt }) => activatedAt !== undefined && retiredAt === undefined)
        const next = own.filter(({ activatedAt }) => activatedAt === undefined)
        if (current.length !== 1 || next.length !== 1) t.fail(`${purpose} ${alg} on day ${day}`)
      }
    }
    t.equal(rotations, 4 * 24)
    t.ok(keys.length <= 12)
  },
)
