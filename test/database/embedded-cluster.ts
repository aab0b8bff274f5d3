import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { makeCluster, prepareCluster } from '../../src/database/embedded-cluster.ts'
import { openStorage } from '../../src/database/storage.ts'

t.test('a new embedded database is a copy of what installing prepared, and made anew where that is not', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-cluster-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const prepared = join(directory, 'cache', 'postgres')

  const make = (name: string) => {
    mkdirSync(join(directory, name))
    return makeCluster(join(directory, name, 'postgres'), prepared)
  }
  const opens = async (t: Test, name: string) => {
    const dataDir = join(directory, name)
    const { db, close } = await openStorage({ databaseUrl: undefined, dataDir })
    t.match(await db.execute('select count(*)::integer as count from accounts'), [{ count: 0 }], `${name} is migrated`)
    await close()
  }

  await t.test('made anew', async (t) => {
    await make('anew')
    await opens(t, 'anew')
  })

  await t.test('copied, twice, and the copies share nothing', async (t) => {
    await prepareCluster(prepared)
    t.equal(statSync(dirname(prepared)).mode & 0o777, 0o700, 'nobody else can change what every database begins with')
    const { ino } = statSync(join(prepared, 'PG_VERSION'))
    await prepareCluster(prepared)
    t.equal(statSync(join(prepared, 'PG_VERSION')).ino, ino, 'what is prepared stays')
    for (const name of ['first', 'second']) {
      await make(name)
      t.not(statSync(join(directory, name, 'postgres', 'PG_VERSION')).ino, ino)
      await opens(t, name)
    }
  })

  t.notOk(existsSync(join(prepared, 'postmaster.pid')), 'nobody has what is prepared open')
})
