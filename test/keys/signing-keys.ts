import { randomBytes } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import t, { type Test } from 'tap'
import { signingKeys } from '../../src/database/schema.ts'
import { ensureSigningKeys, rotateSigningKeys } from '../../src/keys/rotation.ts'
import { isCurrent, isNext, isRetired } from '../../src/keys/schedule.ts'
import { listSigningKeys, loadSigningKeys, resealSigningKeys } from '../../src/keys/signing-keys.ts'
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

t.test(
  'a new database gets a current and a next key for each purpose and algorithm (RFC 8725 3.1), once',
  async (t) => {
    const db = await database(t)
    await Promise.all([1, 2, 3].map(() => ensureSigningKeys(db, sealer, new Date())))
    const keys = await loadSigningKeys(db, sealer)
    t.strictSame(names(keys.filter(isCurrent)), WANTED)
    t.strictSame(names(keys.filter(isNext)), WANTED)
    t.equal(new Set(keys.map(({ kid }) => kid)).size, 8)
    await ensureSigningKeys(db, sealer, new Date())
    t.strictSame(await loadSigningKeys(db, sealer), keys)

    for (const { kid, alg, publicJwk, privateJwk } of keys) {
      t.match(publicJwk, { kid, alg, use: 'sig' })
      t.equal(kid, await calculateJwkThumbprint(publicJwk), 'RFC 7638')
      t.notOk('d' in publicJwk)
      t.ok('d' in privateJwk)
      if (alg === 'RS256') t.equal(Buffer.from(publicJwk.n ?? '', 'base64url').length, 256, '2048 bits')
    }
  },
)

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

t.test('rotation has the next keys sign, retires those that did, and makes other next ones', async (t) => {
  const db = await database(t)
  const [made, rotated] = [new Date('2030-01-01T00:00:00Z'), new Date('2030-02-01T00:00:00Z')]
  await ensureSigningKeys(db, sealer, made)
  const before = await loadSigningKeys(db, sealer)
  await rotateSigningKeys(db, sealer, rotated)

  const after = await loadSigningKeys(db, sealer)
  t.strictSame(
    after.filter(isCurrent).map(({ kid }) => kid),
    before.filter(isNext).map(({ kid }) => kid),
  )
  t.strictSame(names(after.filter(isNext)), WANTED)
  for (const key of after.filter(isCurrent)) t.match(key, { createdAt: made, activatedAt: rotated })
  for (const key of after.filter(isNext)) t.match(key, { createdAt: rotated, activatedAt: undefined })
  t.strictSame(
    after.filter(isRetired),
    before.filter(isCurrent).map((key) => ({ ...key, retiredAt: rotated })),
  )

  await ensureSigningKeys(db, sealer, rotated)
  t.equal((await loadSigningKeys(db, sealer)).length, 12, 'none is missing now')
})

t.test('rotations at once take turns: one key signs for each purpose and algorithm, and one is next', async (t) => {
  const db = await database(t)
  await ensureSigningKeys(db, sealer, new Date())
  await Promise.all([1, 2, 3].map(() => rotateSigningKeys(db, sealer, new Date())))
  const keys = await loadSigningKeys(db, sealer)
  t.equal(keys.length, 20)
  t.strictSame(names(keys.filter(isCurrent)), WANTED)
  t.strictSame(names(keys.filter(isNext)), WANTED)
  const [row] = await db.select().from(signingKeys)
  for (const activatedAt of [null, new Date()]) {
    const another = { ...row, kid: 'another', purpose: 'audit', alg: 'ES256', activatedAt, retiredAt: null } as never
    await t.rejects(db.insert(signingKeys).values(another), 'nor does the database take another')
  }
})

t.test('keys sealed under an old key of SECRET_KEYS open while it is in the ring, and are sealed anew', async (t) => {
  const db = await database(t)
  await ensureSigningKeys(db, sealer, new Date())
  const newer = randomBytes(32)
  const ring = createSealer([newer, secret])
  t.equal((await loadSigningKeys(db, ring)).length, 8)
  await rotateSigningKeys(db, ring, new Date())
  const before = await loadSigningKeys(db, ring)
  await t.rejects(loadSigningKeys(db, createSealer([newer])), /no key of SECRET_KEYS opens/)

  const both = await Promise.all([resealSigningKeys(db, ring), resealSigningKeys(db, ring)])
  t.equal(both[0].resealed + both[1].resealed, 8, 'each once, also by two at once')
  t.strictSame(await resealSigningKeys(db, ring), { resealed: 0, of: 12 })
  t.strictSame(await loadSigningKeys(db, createSealer([newer])), before)
  await t.rejects(loadSigningKeys(db, sealer), /no key of SECRET_KEYS opens/, 'the old one opens nothing any more')
})
