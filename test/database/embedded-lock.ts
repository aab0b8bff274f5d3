import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { takeLock } from '../../src/database/embedded-lock.ts'
import { makeDirectory } from '../fixtures/processes.ts'

const silent = async () => false
const answering = async () => true

/** A lock as another process leaves it. */
async function lockOf(t: Test, content: string, ageSeconds = 0): Promise<string> {
  const path = join(await makeDirectory(t), 'lock')
  await writeFile(path, content)
  const moment = Date.now() / 1000 - ageSeconds
  await utimes(path, moment, moment)
  return path
}

async function processThatIsGone(): Promise<number> {
  const child = spawn(process.execPath, ['--version'])
  await once(child, 'close')
  return child.pid ?? 0
}

const living = process.ppid
const refusal = { message: /another process has the embedded database open \(.*\/lock\); stop it/ }

t.test('a lock names its process, is for its owner only, and is gone when let go of', async (t) => {
  const path = join(await makeDirectory(t), 'lock')
  const lock = await takeLock(path, silent, 0)
  t.equal(await readFile(path, 'utf8'), String(process.pid))
  t.equal((await stat(path)).mode & 0o777, 0o600)
  lock.release()
  t.notOk(existsSync(path))
  lock.release()
  const again = await takeLock(path, silent, 0)
  again.release()
})

t.test('a live lock is refused, and left alone', async (t) => {
  const starting = await lockOf(t, String(living))
  await t.rejects(takeLock(starting, silent, 0), refusal, 'of a process that is starting')
  t.equal(await readFile(starting, 'utf8'), String(living))

  const serving = await lockOf(t, String(living), 3600)
  await t.rejects(takeLock(serving, answering, 0), refusal, 'of one that answers, however old')

  const elsewhere = await lockOf(t, String(await processThatIsGone()), 3600)
  await t.rejects(takeLock(elsewhere, answering, 0), refusal, 'of one in another container, whose number says nothing')
  t.ok(existsSync(elsewhere))
})

t.test('a stale lock is taken', async (t) => {
  for (const [what, content, age] of [
    ['its process is gone', String(await processThatIsGone()), 0],
    ['it is of our own number, as in a container that was started again', String(process.pid), 0],
    ['its number went to another process, and its time to start is over', String(living), 60],
    ['it was cut short, and its time is over', '', 60],
    ['it is no lock of ours', 'not a number', 0],
  ] as const) {
    const path = await lockOf(t, content, age)
    const lock = await takeLock(path, silent, 0)
    t.equal(await readFile(path, 'utf8'), String(process.pid), what)
    lock.release()
  }
})

t.test('a lock that is being written is not taken for a stale one', async (t) => {
  await t.rejects(takeLock(await lockOf(t, ''), silent, 0), refusal)
})

t.test('whoever waits takes the lock once it is let go of', async (t) => {
  const path = await lockOf(t, String(living))
  let asked = 0
  const lock = await takeLock(
    path,
    async () => {
      asked += 1
      if (asked === 2) await writeFile(path, String(await processThatIsGone()))
      return asked < 3
    },
    60_000,
  )
  t.equal(asked, 3)
  t.equal(await readFile(path, 'utf8'), String(process.pid))
  lock.release()
})

t.test('a directory that is not there is told as such', async (t) => {
  await t.rejects(takeLock(join(await makeDirectory(t), 'none', 'lock'), silent, 0), { code: 'ENOENT' })
})

t.test('of several that find a stale lock at once, one takes it', async (t) => {
  const gone = String(await processThatIsGone())
  const contenders = Array.from({ length: 4 }, () => startContender(t))
  for (let round = 0; round < 50; round += 1) {
    const path = await lockOf(t, gone)
    const answers = await Promise.all(contenders.map((contend) => contend(path)))
    t.equal(answers.filter((answer) => answer === 'taken').length, 1)
  }
})

/** A process that tries to take each lock it is told of, and keeps those it gets. */
function startContender(t: Test): (path: string) => Promise<string> {
  const module = new URL('../../src/database/embedded-lock.ts', import.meta.url).href
  const script = `
    import { createInterface } from 'node:readline'
    import { takeLock } from ${JSON.stringify(module)}
    for await (const path of createInterface(process.stdin)) {
      const answer = takeLock(path, async () => false, 0).then(() => 'taken', () => 'refused')
      console.log(await answer)
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  t.teardown(() => child.kill())
  return async (path) => {
    child.stdin.write(`${path}\n`)
    return (await answers.next()).value ?? 'ended'
  }
}
