import t from 'tap'
import { TooManyAttempts } from '../../src/errors.ts'
import { createFailureLimit, createLocalLimit } from '../../src/limits/local-limit.ts'

t.test('as many as may be are counted for each key, then it is refused with the time that is left', async (t) => {
  const limit = createLocalLimit(3, 60)
  for (let i = 0; i < 3; i += 1) {
    limit.requireLeft('a')
    limit.count('a')
  }
  t.throws(() => limit.count('a'), TooManyAttempts)
  try {
    limit.requireLeft('a')
    t.fail('nothing is left')
  } catch (error) {
    t.ok(error instanceof TooManyAttempts)
    const { retryAfter = 0 } = error as TooManyAttempts
    t.ok(retryAfter > 50 && retryAfter <= 60, `${retryAfter} seconds`)
  }
  limit.requireLeft('b')
})

t.test('what is counted is forgotten in time', async (t) => {
  const limit = createLocalLimit(1, 0.001)
  limit.count('a')
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.doesNotThrow(() => limit.count('a'))
})

t.test('however many keys there are, so many are remembered, those counted of late among them (CWE-770)', async (t) => {
  const limit = createLocalLimit(1_000_000, 60, 100)
  const guesser = createLocalLimit(3, 60, 100)
  for (let i = 0; i < 10_000; i += 1) {
    limit.count(`network ${i}`)
    guesser.count(`network ${i}`)
    if (i % 10 === 0 && i < 30) guesser.count('the guesser')
    if (i >= 30 && i % 10 === 0) t.throws(() => guesser.count('the guesser'))
  }
})

t.test('a block leaves nothing', async (t) => {
  const limit = createLocalLimit(5, 60)
  limit.block('a', 60)
  t.throws(() => limit.requireLeft('a'), TooManyAttempts)
  t.throws(() => limit.count('a'), TooManyAttempts)
})

t.test('failures are asked of the others; who does not fail asks nobody', async (t) => {
  let asked = 0
  const shared = {
    async requireLeft() {
      t.fail('not asked without a failure')
    },
    async count() {
      asked += 1
      if (asked > 2) throw new TooManyAttempts(60)
    },
  }
  const limit = createFailureLimit(shared, createLocalLimit(10, 60))
  await limit.requireLeft('a')
  t.equal(asked, 0)
  await limit.count('a')
  await limit.count('a')
  await t.rejects(limit.count('a'), TooManyAttempts, 'others have counted the rest')
  await t.rejects(limit.requireLeft('a'), TooManyAttempts, 'which is known here now')
  await t.rejects(limit.count('a'), TooManyAttempts)
  t.equal(asked, 3)
})
