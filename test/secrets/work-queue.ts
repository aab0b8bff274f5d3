import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { createWorkQueue, Overloaded } from '../../src/secrets/work-queue.ts'

/** Work that goes on until it is told to end, and how much there is of it. */
function makeWork() {
  const ends: (() => void)[] = []
  let started = 0
  return {
    work: async () => {
      started += 1
      await new Promise<void>((resolve) => ends.push(resolve))
    },
    end: () => ends.shift()?.(),
    started: () => started,
  }
}

t.test('so much is done at once, the rest in the order in which it came', async (t) => {
  const queue = createWorkQueue({ atOnce: 2, waiting: 10, waitMs: 60_000 })
  const { work, end, started } = makeWork()
  const done: number[] = []
  const runs = [0, 1, 2, 3].map((each) => queue.run(work).then(() => done.push(each)))
  await delay(5)
  t.equal(started(), 2)
  for (let i = 1; i <= 4; i += 1) {
    end()
    await runs[i - 1]
    await delay(1)
    t.equal(started(), Math.min(4, 2 + i))
  }
  t.strictSame(done, [0, 1, 2, 3])
})

t.test('when so many wait, one more is refused at once', async (t) => {
  const queue = createWorkQueue({ atOnce: 1, waiting: 2, waitMs: 60_000 })
  const { work, end } = makeWork()
  const runs = [queue.run(work), queue.run(work), queue.run(work)]
  await t.rejects(queue.run(work), Overloaded)
  for (const run of runs) {
    await delay(1)
    end()
    await run
  }
  const again = queue.run(work)
  await delay(1)
  end()
  await again
})

t.test('who has waited too long is refused, and is not started later', async (t) => {
  const queue = createWorkQueue({ atOnce: 1, waiting: 2, waitMs: 10 })
  const { work, end, started } = makeWork()
  const first = queue.run(work)
  await t.rejects(queue.run(work), Overloaded)
  end()
  await first
  await delay(5)
  t.equal(started(), 1)
})

t.test('work that fails gives its place to the next', async (t) => {
  const queue = createWorkQueue({ atOnce: 1, waiting: 2, waitMs: 60_000 })
  const failing = queue.run(async () => {
    throw new Error('no')
  })
  const next = queue.run(async () => 'done')
  await t.rejects(failing, /no/)
  t.equal(await next, 'done')
})
