import t, { type Test } from 'tap'
import { pruneLog } from '../../src/audit/prune.ts'
import { createKeyRing } from '../../src/keys/key-ring.ts'
import { ensureSigningKeys, followSchedule, rotateSigningKeys } from '../../src/keys/rotation.ts'
import { createSchedule, isRetired } from '../../src/keys/schedule.ts'
import { listSigningKeys, loadSigningKeys } from '../../src/keys/signing-keys.ts'
import { DAY_1, DAY_2, makeLog } from '../fixtures/log.ts'

const DAY = 24 * 60 * 60 * 1000
const schedule = createSchedule(30, { authorization_server: 600, first_party: 300 })
const later = (since: Date, days: number) => new Date(since.getTime() + days * DAY)

async function makeKeys(t: Test) {
  const log = await makeLog(t)
  await ensureSigningKeys(log.db, log.sealer, DAY_1)
  log.keys.replace(await loadSigningKeys(log.db, log.sealer))
  return log
}

t.test('a key that signed checkpoints stays for as long as one of them is kept', async (t) => {
  const { db, sealer, keys, write } = await makeKeys(t)
  await write(1, DAY_1)
  const { kid } = await keys.signer('audit')
  await rotateSigningKeys(db, sealer, DAY_2)
  keys.replace(await loadSigningKeys(db, sealer))
  const FAR = later(DAY_2, 10)
  await write(1, FAR)

  const retired = async () => (await listSigningKeys(db)).filter(isRetired).map((key) => key.purpose)
  t.strictSame((await retired()).toSorted(), [
    ...['audit', 'authorization_server', 'authorization_server', 'first_party'],
  ])
  await followSchedule(db, sealer, schedule, later(FAR, 1))
  t.strictSame(await retired(), ['audit'], 'what it signed is kept')

  await pruneLog(db, FAR.toISOString().slice(0, 10))
  await followSchedule(db, sealer, schedule, later(FAR, 1))
  t.strictSame(await retired(), [], 'what it signed is gone')
  t.equal(await createKeyRing(await loadSigningKeys(db, sealer)).verifier('audit', kid, 'ES256'), undefined)
})

t.test('also when a process that had not heard went on signing with it', async (t) => {
  const { db, sealer, write } = await makeKeys(t)
  await rotateSigningKeys(db, sealer, DAY_1)
  await write(1, later(DAY_1, 20))
  await followSchedule(db, sealer, schedule, later(DAY_1, 21))
  t.match((await listSigningKeys(db)).filter(isRetired), [{ purpose: 'audit' }])
})

t.test('processes that find the same due at once rotate once', async (t) => {
  const { db, sealer } = await makeKeys(t)
  const due = later(DAY_1, 30)
  await Promise.all([1, 2, 3, 4].map(() => followSchedule(db, sealer, schedule, due)))
  const keys = await listSigningKeys(db)
  t.equal(keys.filter(isRetired).length, 4)
  t.equal(keys.length, 12)
})
