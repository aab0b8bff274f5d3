import { chmodSync, mkdirSync, rmdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { startEmbedded } from '../../src/database/embedded.ts'
import { embeddedSocket } from '../../src/database/embedded-socket.ts'
import { joinStorage } from '../../src/database/storage.ts'
import { makeDirectory } from '../fixtures/processes.ts'

const short = await makeDirectory(t)
const long = join(short, 'a-long-name'.repeat(10))
const directory = dirname(embeddedSocket(long))
t.teardown(() => rmSync(directory, { recursive: true, force: true }))

t.test('the socket is in the data directory, or where its path is too long in one of our own', async (t) => {
  t.equal(dirname(embeddedSocket(short)), short)
  t.not(directory, long)
  t.equal(statSync(directory).mode & 0o777, 0o700)
  t.equal(embeddedSocket(long), embeddedSocket(long), 'the same each time')
})

t.test('a directory for the socket that another could have made is not used (CWE-377)', async (t) => {
  const refused = { message: /must be a directory of this user with mode 0700/ }
  const isRefused = async (t: Test) => {
    t.throws(() => embeddedSocket(long), refused)
    await t.rejects(startEmbedded(long), refused, 'by a server')
    await t.rejects(joinStorage({ databaseUrl: undefined, dataDir: long }), refused, 'nor by a command')
  }
  for (const mode of [0o777, 0o755, 0o710, 0o1700 | 0o007]) {
    chmodSync(directory, mode)
    await isRefused(t)
  }
  rmdirSync(directory)

  const elsewhere = join(short, 'elsewhere')
  mkdirSync(elsewhere, { mode: 0o700 })
  symlinkSync(elsewhere, directory)
  await isRefused(t)
  rmSync(directory)

  t.equal(dirname(embeddedSocket(long)), directory, 'and made anew once it is gone')
})
