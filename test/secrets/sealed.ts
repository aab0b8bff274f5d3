import { randomBytes } from 'node:crypto'
import { CompactEncrypt, decodeProtectedHeader } from 'jose'
import t from 'tap'
import { createSealer } from '../../src/secrets/sealed.ts'

const [newKey, oldKey, strange] = [randomBytes(32), randomBytes(32), randomBytes(32)]
const old = createSealer([oldKey])
const ring = createSealer([newKey, oldKey])

t.test('what is sealed can be opened, and cannot be read', async (t) => {
  for (const text of ['a secret', '', 'ünïcode 🔑', 'x'.repeat(100_000)]) {
    const sealed = await ring.seal('a purpose', text)
    t.equal(await ring.open('a purpose', sealed), text)
  }
  const sealed = await ring.seal('a purpose', 'a secret')
  t.notMatch(sealed, /secret|purpose/)
  t.not(await ring.seal('a purpose', 'a secret'), sealed, 'never twice the same')
  t.match(decodeProtectedHeader(sealed), { alg: 'dir', enc: 'A256GCM' })
})

t.test('the first key of the ring seals, all open', async (t) => {
  const byOld = await old.seal('p', 'sealed before the rotation')
  t.equal(await ring.open('p', byOld), 'sealed before the rotation')
  const byNew = await ring.seal('p', 'sealed after it')
  t.equal(await createSealer([newKey]).open('p', byNew), 'sealed after it')
  t.equal(await createSealer([oldKey, newKey]).open('p', byNew), 'sealed after it', 'in any order')
  await t.rejects(old.open('p', byNew), /no key of SECRET_KEYS opens what was sealed for p/)
  await t.rejects(createSealer([strange]).open('p', byOld), /no key of SECRET_KEYS/)
})

t.test('what was sealed for one purpose opens for no other', async (t) => {
  const sealed = await ring.seal('signing-key:one', 'a private key')
  await t.rejects(ring.open('signing-key:two', sealed))
  await t.rejects(ring.open('', sealed))
  await t.rejects(ring.open('signing-key:one ', sealed))
})

t.test('a changed character is noticed, in whatever part', async (t) => {
  const sealed = await ring.seal('p', 'a secret')
  const parts = sealed.split('.')
  for (const [index, part] of parts.entries()) {
    const bytes = Buffer.from(part, 'base64url')
    if (bytes.length === 0) continue
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    const altered = parts.with(index, bytes.toString('base64url')).join('.')
    await t.rejects(ring.open('p', altered), `part ${index}`)
  }
  const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.indexOf(sealed.at(-1) ?? '')
  const spare = 'BCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'[last]
  await t.rejects(ring.open('p', sealed.slice(0, -1) + spare), /not canonical/, 'a bit after the last byte')
  await t.rejects(ring.open('p', sealed.slice(0, -8)), 'cut off')
  await t.rejects(ring.open('p', ''), 'nothing')
})

t.test('another algorithm than ours is not opened (RFC 8725 3.1)', async (t) => {
  const { kid } = decodeProtectedHeader(await ring.seal('p', 'a secret'))
  const foreign = await new CompactEncrypt(Buffer.from('a secret'))
    .setProtectedHeader({ alg: 'A256GCMKW', enc: 'A256GCM', ...(typeof kid === 'string' ? { kid } : {}) })
    .encrypt(newKey)
  await t.rejects(ring.open('p', foreign), { code: 'ERR_JOSE_ALG_NOT_ALLOWED' })
})

t.test('derived keys follow the order of the ring and differ by purpose', async (t) => {
  const [first, second, ...more] = ring.derive('cookies')
  t.strictSame(more, [])
  t.equal(first?.length, 32)
  t.strictSame(second, old.derive('cookies')[0])
  t.notSame(first, second)
  t.notSame(first, ring.derive('other')[0])
  t.strictSame(first, createSealer([newKey]).derive('cookies')[0], 'the same in every process')
  t.notSame(Buffer.from(first ?? []), newKey, 'and are not the key itself')
})

t.test('the name of a key does not give it away', async (t) => {
  const { kid } = decodeProtectedHeader(await ring.seal('p', 'a secret'))
  t.match(kid, /^[\w-]{12}$/)
  t.notOk(newKey.toString('base64url').includes(String(kid)))
})

t.test('a sealer without a key is none', async (t) => {
  t.throws(() => createSealer([]), TypeError)
})
