import { randomBytes } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import t from 'tap'
import { createKeyRing } from '../../src/keys/key-ring.ts'
import { ensureSigningKeys, rotateSigningKeys } from '../../src/keys/rotation.ts'
import { isCurrent, isNext, isRetired } from '../../src/keys/schedule.ts'
import { loadSigningKeys } from '../../src/keys/signing-keys.ts'
import { createSealer } from '../../src/secrets/sealed.ts'
import { makeDatabase } from '../fixtures/database.ts'

const { db, drop } = await makeDatabase()
t.teardown(drop)
const sealer = createSealer([randomBytes(32)])
await ensureSigningKeys(db, sealer, new Date('2030-01-01T00:00:00Z'))
const before = await loadSigningKeys(db, sealer)
await rotateSigningKeys(db, sealer, new Date('2030-02-01T00:00:00Z'))
const after = await loadSigningKeys(db, sealer)

async function sign(keys: ReturnType<typeof createKeyRing>): Promise<string> {
  const { kid, alg, key } = await keys.signer('first_party')
  return new SignJWT({}).setProtectedHeader({ kid, alg }).sign(key)
}

function verify(keys: ReturnType<typeof createKeyRing>, token: string) {
  return jwtVerify(token, async ({ kid, alg }) => {
    const key = await keys.verifier('first_party', kid, alg)
    if (key === undefined) throw new Error('no such key')
    return key
  })
}

t.test('the key that signs is the current one of that purpose', async (t) => {
  const { kid, alg } = await createKeyRing(after).signer('first_party')
  const expected = after.find((key) => key.purpose === 'first_party' && isCurrent(key))
  t.strictSame({ kid, alg }, { kid: expected?.kid, alg: 'ES256' })
  const others = after.filter((key) => !isCurrent(key))
  await t.rejects(createKeyRing(others).signer('first_party'), /no key signs for first_party/)
})

t.test('a retired key verifies what it signed, a next one what another process signs with it already', async (t) => {
  await t.resolves(verify(createKeyRing(after), await sign(createKeyRing(before))))
  await t.resolves(verify(createKeyRing(before), await sign(createKeyRing(after))))
  const known = after.filter((key) => !isCurrent(key))
  await t.rejects(verify(createKeyRing(known), await sign(createKeyRing(after))), /no such key/)
})

t.test('a key verifies for its own purpose and algorithm only (RFC 8725 3.1, 3.2)', async (t) => {
  const keys = createKeyRing(before)
  for (const { kid, purpose, alg } of before) {
    const other = purpose === 'first_party' ? 'authorization_server' : 'first_party'
    t.ok(await keys.verifier(purpose, kid, alg))
    t.equal(await keys.verifier(other, kid, alg), undefined)
    for (const wrong of ['HS256', 'none', undefined, alg === 'ES256' ? 'RS256' : 'ES256']) {
      t.equal(await keys.verifier(purpose, kid, wrong), undefined, `${alg} as ${wrong}`)
    }
  }
  for (const kid of ['unknown', '', undefined, null, 7, ['x'], '__proto__']) {
    t.equal(await keys.verifier('first_party', kid, 'ES256'), undefined, JSON.stringify(kid))
  }
})

t.test('the engine gets the keys of its purpose only: those that sign, those that will, those that did', async (t) => {
  const jwks = createKeyRing(after).privateJwks('authorization_server')
  const expected = after.filter(({ purpose }) => purpose === 'authorization_server')
  t.strictSame(
    jwks,
    expected.map(({ privateJwk }) => privateJwk),
  )
  t.strictSame(
    expected.map((key) => [isCurrent(key), isNext(key), isRetired(key)].indexOf(true)),
    [0, 0, 1, 1, 2, 2],
  )
})

t.test('other keys are put in force all at once, and it is told whether they differ', async (t) => {
  const keys = createKeyRing(before)
  let told = 0
  keys.onReplaced(() => {
    told += 1
  })
  t.equal(keys.replace(await loadSigningKeys(db, sealer).then((loaded) => loaded.slice(3))), true)
  t.equal(keys.replace(before), true, 'to be next is another state than to sign')
  t.equal(keys.replace([...before]), false)
  const token = await sign(keys)
  t.equal(keys.replace(after), true)
  t.equal(keys.replace(after), false)
  t.not((await keys.signer('first_party')).kid, before.find(({ purpose }) => purpose === 'first_party')?.kid)
  await t.resolves(verify(keys, token))
  t.equal(told, 3)
})
