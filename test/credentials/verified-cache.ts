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

t.test('lets go of what nobody asks for any more, and keeps the rest', async (t) => {
  const cache = createVerifiedCache(100_000)
  cache.put('1', verified('1'))
  cache.put('2', verified('2'))
  for (let age = 0; age < 3; age += 1) {
    cache.age()
    t.ok(cache.get('1', now))
  }
  t.equal(cache.get('2', now), undefined)
  cache.age()
  cache.age()
  t.equal(cache.get('1', now), undefined)
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
  cache.put('3', verified('3'))
  t.equal(cache.get('2', now), undefined)
  t.ok(cache.get('3', now), 'what was verified after the change')
  cache.forget('account a')
  t.equal(cache.get('3', now), undefined)
  t.equal(cache.bytes, 0)
})

t.test('forgets however many changes there were since it was last asked', async (t) => {
  const cache = createVerifiedCache(100_000)
  for (const id of ['1', '2', '3']) cache.put(id, verified(id))
  cache.forget('api_key 1')
  for (let change = 0; change < 25_000; change += 1) {
    cache.forget(`api_key of another ${change}`)
    if (change === 12_000) cache.forget('api_key 2')
  }
  t.equal(cache.get('1', now), undefined)
  t.equal(cache.get('2', now), undefined)
  t.ok(cache.get('3', now))
})

t.test('stays within its bytes: what is used stays, what is not leaves', async (t) => {
  const cache = createVerifiedCache(20_000)
  cache.put('used', verified('used'))
  for (let id = 1; id <= 50; id += 1) {
    cache.put(`${id}`, verified(`${id}`))
    t.ok(cache.get('used', now))
    t.ok(cache.get(`${id}`, now), 'the newest is there')
    t.ok(cache.bytes <= 20_000)
  }
  t.ok(cache.bytes > 10_000, 'and half of the room is always used')
  t.equal(cache.get('1', now), undefined)
})

t.test('behaves as a list of verifications and changes would', async (t) => {
  const cache = createVerifiedCache(8_000)
  const last = new Map<string, { at: number; tags: readonly string[] }>()
  const changedAt = new Map<string, number>()
  let seed = 1
  const below = (most: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % most
  }
  let wrong = 0
  let found = 0
  for (let step = 0; step < 50_000; step += 1) {
    const id = `${below(8)}`
    const known = last.get(id)
    const isGood = known?.tags.every((tag) => (changedAt.get(tag) ?? -1) < known.at) ?? false
    if (below(3) === 0) {
      const one = verified(id)
      cache.put(id, one)
      last.set(id, { at: step, tags: one.tags })
    } else if (below(4) === 0) {
      const tag = below(5) === 0 ? ('account a' as const) : (`api_key ${id}` as const)
      cache.forget(tag)
      changedAt.set(tag, step)
    } else if (cache.get(id, now) !== undefined) {
      found += 1
      if (!isGood) wrong += 1
    }
  }
  t.equal(wrong, 0, 'nothing that changed is given')
  t.ok(found > 1_000)
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
