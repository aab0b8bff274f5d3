import t from 'tap'
import { createBatch } from '../../src/database/batch.ts'

/** A batch whose statements are held until they are let go. */
function held() {
  const statements: { rows: readonly number[]; end: PromiseWithResolvers<void> }[] = []
  const batch = createBatch<number>((rows) => {
    const end = Promise.withResolvers<void>()
    statements.push({ rows, end })
    return end.promise
  })
  return { batch, statements }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('what comes together is written together, and answered when it is written', async (t) => {
  const { batch, statements } = held()
  const answered: number[] = []
  const all = [1, 2, 3].map((row) => batch.write(row).then(() => answered.push(row)))
  await turn()
  t.strictSame(
    statements.map(({ rows }) => rows),
    [[1, 2, 3]],
  )
  const late = batch.write(4)
  await turn()
  t.equal(statements.length, 1, 'the next waits for the one under way')
  t.strictSame(answered, [])
  statements[0]?.end.resolve()
  await Promise.all(all)
  await turn()
  t.strictSame(statements[1]?.rows, [4])
  statements[1]?.end.resolve()
  await late
})

t.test('a row that cannot be written fails by itself', async (t) => {
  const written: number[] = []
  const batch = createBatch<number>(async (rows) => {
    if (rows.includes(2)) throw new Error('not this one')
    written.push(...rows)
  })
  const outcomes = await Promise.allSettled([1, 2, 3].map((row) => batch.write(row)))
  t.strictSame(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.strictSame(written, [1, 3])
  await batch.write(5)
  t.strictSame(written, [1, 3, 5], 'and the next goes on')
})

t.test('a database that does not answer is asked once for a batch, and all of it fails', async (t) => {
  const asked: number[] = []
  const batch = createBatch<number>(async (rows) => {
    asked.push(rows.length)
    throw Object.assign(new Error('the database does not answer'), { code: 'ETIMEDOUT' })
  })
  const outcomes = await Promise.allSettled([1, 2, 3].map((row) => batch.write(row)))
  t.strictSame(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  t.strictSame(asked, [3])
})

t.test('more than a statement should hold is written in several', async (t) => {
  const sizes: number[] = []
  const batch = createBatch<number>(async (rows) => void sizes.push(rows.length))
  await Promise.all(Array.from({ length: 1_200 }, (_, row) => batch.write(row)))
  t.strictSame(sizes, [500, 500, 200])
})
