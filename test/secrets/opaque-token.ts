import t from 'tap'
import { digest, digestsEqual, makeOpaqueToken } from '../../src/secrets/opaque-token.ts'

t.test('a token is 256 random bits, base64url (ASVS V7.2.3)', async (t) => {
  const tokens = Array.from({ length: 10_000 }, makeOpaqueToken)
  t.ok(tokens.every((token) => /^[\w-]{43}$/.test(token)))
  t.ok(tokens.every((token) => Buffer.from(token, 'base64url').length === 32))
  t.equal(new Set(tokens).size, tokens.length)
})

t.test('a digest is SHA-256 (FIPS 180-4), base64url', async (t) => {
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  t.equal(digest('abc'), Buffer.from(abc, 'hex').toString('base64url'))
  const token = makeOpaqueToken()
  t.match(digest(token), /^[\w-]{43}$/)
  t.not(digest(token), token)
})

t.test('digests are equal only when every character is', async (t) => {
  const one = digest('one')
  t.ok(digestsEqual(one, digest('one')))
  for (const other of [digest('two'), one.slice(1), `${one}A`, one.toLowerCase(), '', 'ü'.repeat(43)]) {
    t.notOk(digestsEqual(one, other), other)
  }
})
