import t from 'tap'
import { TooManyAttempts } from '../../src/errors.ts'
import { createTurns } from '../../src/limits/turns.ts'

t.test('who comes for the same thing waits for who came before; others do not', async (t) => {
  const turns = createTurns(10)
  const order: string[] = []
  const take = async (key: string, name: string) => {
    const end = await turns.take(key)
    order.push(name)
    return end
  }
  const end = await take('a', 'first')
  const second = take('a', 'second')
  const third = take('a', 'third')
  const other = await take('b', 'other')
  t.strictSame(order, ['first', 'other'])
  end()
  const endSecond = await second
  endSecond()
  const endThird = await third
  t.strictSame(order, ['first', 'other', 'second', 'third'])
  endThird()
  other()
  ;(await take('a', 'later'))()
})

t.test('so many wait, and no more (CWE-770)', async (t) => {
  const turns = createTurns(2)
  const end = await turns.take('a')
  const waiting = [turns.take('a'), turns.take('a')]
  await t.rejects(turns.take('a'), TooManyAttempts)
  end()
  for (const each of waiting) (await each)()
  ;(await turns.take('a'))()
})
