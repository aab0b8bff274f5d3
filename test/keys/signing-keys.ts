import { randomBytes } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import t, { type Test } from 'tap'
import { signingKeys } from '../../src/database/schema.ts'
import { ensureSigningKeys, listSigningKeys, loadSigningKeys, rotateSigningKeys } from '../../src/keys/signing-keys.ts'
import { createSealer } from '../../src/secrets/sealed.ts'
import { makeDatabase } from '../fixtures/database.ts'

const secret = randomBytes(32)
const sealer = createSealer([secret])
const WANTED = ['audit ES256', 'authorization_server ES256', 'authorization_server RS256', 'first_party ES256']

async function database(t: Test) {
  const { db, drop } = await makeDatabase()
  t.teardown(drop)
  return db
}

const names = (keys: readonly { purpose: string; alg: string }[]) =>
  keys.map(({ purpose, alg }) => `${purpose} ${alg}`).toSorted()

t.test('a new database gets one key for each purpose and algorithm (RFC 8725 3.1), once', async (t) => {
  const db = await database(t)
  await Promise.all([1, 2, 3].map(() => ensureSigningKeys(db, sealer, new Date())))
  const keys = await loadSigningKeys(db, sealer)
  t.strictSame(names(keys), WANTED)
  t.equal(new Set(keys.map(({ kid }) => kid)).size, 4)
  await ensureSigningKeys(db, sealer, new Date())
  t.strictSame(await loadSigningKeys(db, sealer), keys)

  for (const { kid, alg, publicJwk, privateJwk } of keys) {
    t.match(publicJwk, { kid, alg, use: 'sig' })
    t.equal(kid, await calculateJwkThumbprint(publicJwk), 'RFC 7638')
    t.notOk('d' in publicJwk)
    t.ok('d' in privateJwk)
    if (alg === 'RS256') t.equal(Buffer.from(publicJwk.n ?? '', 'base64url').length, 256, '2048 bits')
  }
})

t.test('the database holds no private part that can be read', async (t) => {
  const db = await database(t)
  await ensureSigningKeys(db, sealer, new Date())
  const rows = JSON.stringify(await db.select().from(signingKeys))
  for (const { privateJwk } of await loadSigningKeys(db, sealer)) {
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) {
      const value = privateJwk[member]
      if (value !== undefined) t.notOk(rows.includes(value), member)
    }
  }
  t.notOk(JSON.stringify(await listSigningKeys(db)).includes('private'), 'nor does the list')
  await t.rejects(loadSigningKeys(db, createSealer([randomBytes(32)])), /no key of SECRET_KEYS opens/)
})

t.test('a key is bound to its row: another row cannot lend it its private part', async (t) => {
  const db = await database(t)
  await ensureSigningKeys(db, sealer, new Date())
  const [row] = await db.select().from(signingKeys)
  if (row === undefined) throw new Error('no key')
  await db.update(signingKeys).set({ sealedPrivateJwk: row.sealedPrivateJwk })
  await t.rejects(loadSigningKeys(db, sealer))
})

t.test('a key put into the public column is not trusted: the public part is taken from what is sealed', async (t) => {
  const db = await database(t)
  await ensureSigningKeys(db, sealer, new Date())
  const before = await loadSigningKeys(db, sealer)
  await db.update(signingKeys).set({ publicJwk: { kty: 'EC', crv: 'P-256', x: 'theirs', y: 'theirs' } })
  t.strictSame(await loadSigningKeys(db, sealer), before)
})

t.test('rotation retires what signs and makes anew; the old ones are still there', async (t) => {
  const db = await database(t)
  const [made, rotated] = [new Date('2030-01-01T00:00:00Z'), new Date('2030-02-01T00:00:00Z')]
  await ensureSigningKeys(db, sealer, made)
  const before = await loadSigningKeys(db, sealer)
  await rotateSigningKeys(db, sealer, rotated)

  const after = await loadSigningKeys(db, sealer)
  t.strictSame(names(after.filter(({ retiredAt }) => retiredAt === undefined)), WANTED)
  t.strictSame(
    after.slice(0, 4).map(({ retiredAt }) => retiredAt),
    [undefined, undefined, undefined, undefined],
    'those that sign come first',
  )
  for (const old of before)
    t.match(
      after.find(({ kid }) => kid === old.kid),
      { retiredAt: rotated },
    )

  await ensureSigningKeys(db, sealer, rotated)
  t.equal((await loadSigningKeys(db, sealer)).length, 8, 'none is missing now')
})

t.test('rotations at once take turns: one key signs for each purpose and algorithm', async (t) => {
  const db = await database(t)
  await ensureSigningKeys(db, sealer, new Date())
  await Promise.all([1, 2, 3].map(() => rotateSigningKeys(db, sealer, new Date())))
  const keys = await loadSigningKeys(db, sealer)
  t.equal(keys.length, 16)
  t.strictSame(names(keys.filter(({ retiredAt }) => retiredAt === undefined)), WANTED)
})

t.test('keys sealed under an old key of SECRET_KEYS open while it is in the ring', async (t) => {
  const db = await database(t)
  await ensureSigningKeys(db, sealer, new Date())
  const newer = randomBytes(32)
  t.equal((await loadSigningKeys(db, createSealer([newer, secret]))).length, 4)
  await rotateSigningKeys(db, createSealer([newer, secret]), new Date())
  t.equal((await loadSigningKeys(db, createSealer([newer, secret]))).length, 8)
})
