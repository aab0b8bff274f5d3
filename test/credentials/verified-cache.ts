import t from 'tap'
import { createVerifiedCache } from '../../src/credentials/verified-cache.ts'
import type { Verified } from '../../src/credentials/verifier.ts'

const now = new Date()
const later = (milliseconds: number) => new Date(now.getTime() + milliseconds)

function verified(id: string, expiresAt = later(1000)): Verified {
  return {
    principal: {
      subject: { kind: 'account', id },
      clientId: undefined,
      scope: new Set(['profile:read']),
      role: 'user',
      credential: { kind: 'api_key', id },
    },
    tags: [`api_key ${id}`, 'account a'],
    expiresAt,
  }
}

t.test('remembers until a credential expires, and not a moment longer', async (t) => {
  const cache = createVerifiedCache(100_000)
  const one = verified('1')
  cache.put('1', one)
  t.equal(cache.get('1', now), one)
  t.equal(cache.get('1', later(999)), one)
  t.equal(cache.get('1', later(1000)), undefined)
  t.equal(cache.bytes, 0)
})

t.test('forgets all that depends on what changed, and nothing else', async (t) => {
  const cache = createVerifiedCache(100_000)
  cache.put('1', verified('1'))
  cache.put('2', verified('2'))
  cache.forget('api_key 1')
  t.equal(cache.get('1', now), undefined)
  t.ok(cache.get('2', now))
  cache.forget('account b')
  t.ok(cache.get('2', now))
  cache.forget('account a')
  t.equal(cache.get('2', now), undefined)
  t.equal(cache.bytes, 0)
})

t.test('stays within its bytes: what was not used for longest leaves first', async (t) => {
  const cache = createVerifiedCache(10_000)
  for (const id of ['1', '2', '3']) cache.put(id, verified(id))
  const each = cache.bytes / 3
  const room = Math.floor(10_000 / each)
  for (let id = 4; id <= room; id += 1) cache.put(`${id}`, verified(`${id}`))
  t.ok(cache.get('1', now), 'used again')
  cache.put('one more', verified('9'))
  t.ok(cache.bytes <= 10_000)
  t.ok(cache.get('1', now))
  t.equal(cache.get('2', now), undefined)
  t.ok(cache.get('one more', now))
})

t.test('the same credential twice takes the room of one; one that is too large takes none', async (t) => {
  const cache = createVerifiedCache(5_000)
  cache.put('1', verified('1'))
  const { bytes } = cache
  cache.put('1', verified('1'))
  t.equal(cache.bytes, bytes)
  cache.put('x'.repeat(5_000), verified('2'))
  t.equal(cache.bytes, bytes)
  cache.clear()
  t.equal(cache.bytes, 0)
})
