import t from 'tap'
import { createUnknownCache } from '../../src/credentials/unknown-cache.ts'

const now = new Date()
const later = (milliseconds: number) => new Date(now.getTime() + milliseconds)

t.test('remembers for its time, and no more than its number', async (t) => {
  const cache = createUnknownCache(2, 1000)
  cache.add('a', now)
  t.ok(cache.has('a', later(999)))
  t.notOk(cache.has('a', later(1000)))
  for (const key of ['b', 'c', 'd']) cache.add(key, now)
  t.notOk(cache.has('b', now), 'the oldest left')
  t.ok(cache.has('c', now))
  cache.clear()
  t.notOk(cache.has('d', now))
})
