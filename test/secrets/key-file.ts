import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { loadOrMakeKeyFile } from '../../src/secrets/key-file.ts'
import { makeDirectory } from '../fixtures/processes.ts'

const MODULE = new URL('../../src/secrets/key-file.ts', import.meta.url).href

t.test('the file is made once: 0600 in a directory 0700, one key of 32 bytes', async (t) => {
  const dataDir = join(await makeDirectory(t), 'not', 'there')
  const [key, ...more] = loadOrMakeKeyFile(dataDir)
  t.equal(key?.length, 32)
  t.strictSame(more, [])
  t.equal((await stat(dataDir)).mode & 0o777, 0o700)
  t.equal((await stat(join(dataDir, 'secret-keys'))).mode & 0o777, 0o600)
  t.strictSame(loadOrMakeKeyFile(dataDir), [key], 'and read from then on')
  t.strictSame(await readdir(dataDir), ['secret-keys'], 'without leftovers')
  t.notSame(loadOrMakeKeyFile(await makeDirectory(t)), [key], 'another directory has another')
})

t.test('processes that start at once get the same keys', async (t) => {
  const dataDir = await makeDirectory(t)
  const script = `import { loadOrMakeKeyFile } from ${JSON.stringify(MODULE)}
    process.stdout.write(Buffer.concat(loadOrMakeKeyFile(${JSON.stringify(dataDir)})).toString('hex'))`
  const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  const keys = await Promise.all(Array.from({ length: 6 }, run))
  t.match(keys[0]?.stdout, /^[0-9a-f]{64}$/)
  t.equal(new Set(keys.map(({ stdout }) => stdout)).size, 1)
  t.strictSame(await readdir(dataDir), ['secret-keys'])
})

t.test('several keys stand in it one below the other, or with commas', async (t) => {
  const keys = [randomBytes(32), randomBytes(32), randomBytes(32)]
  for (const separator of ['\n', ',', ', ', '\r\n']) {
    const dataDir = await makeDirectory(t)
    const text = `${keys.map((key) => key.toString('base64url')).join(separator)}\n`
    await writeFile(join(dataDir, 'secret-keys'), text)
    t.strictSame(loadOrMakeKeyFile(dataDir), keys, JSON.stringify(separator))
    t.equal(await readFile(join(dataDir, 'secret-keys'), 'utf8'), text, 'untouched')
  }
})

t.test('a file that holds anything else is told by its path, and not replaced', async (t) => {
  for (const text of ['short', `${randomBytes(31).toString('base64url')}\n`, '\n', '']) {
    const dataDir = await makeDirectory(t)
    const path = join(dataDir, 'secret-keys')
    await writeFile(path, text)
    t.throws(() => loadOrMakeKeyFile(dataDir), { message: `${path} must hold base64url keys of 32 bytes` }, text)
    t.equal(await readFile(path, 'utf8'), text)
  }
})

t.test('a place where nothing can be written is told', async (t) => {
  const dataDir = await makeDirectory(t)
  await mkdir(join(dataDir, 'secret-keys'))
  t.throws(() => loadOrMakeKeyFile(dataDir), { code: 'EISDIR' })
})
