import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, readdir, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { makeDatabase } from './fixtures/database.ts'
import { bearer, PASSWORD } from './fixtures/people.ts'
import { makeDirectory, runServer, type ServerProcess, startServer } from './fixtures/processes.ts'

const dataDir = join(await makeDirectory(t), 'data')
const lock = join(dataDir, 'lock')
const socket = join(dataDir, '.s.PGSQL.5432')

t.test('a newcomer: one life of an embedded server', async (life) => {
  let server = await startServer(life, { DATA_DIR: dataDir })
  let administrator = ''
  let kids: string[] = []
  let tokens = { accessToken: '', refreshToken: '' }

  await life.test('the first start keeps its secrets from others', async (t) => {
    t.equal(await modeOf(dataDir), 0o700)
    t.equal(await modeOf(join(dataDir, 'secret-keys')), 0o600)
    t.equal(await modeOf(lock), 0o600)
    t.match(await server.printed(/Gatehouse is at (.*)\n/), { 1: server.url })
    t.equal((await fetch(`${server.url}/readyz`)).status, 200)
  })

  await life.test('the printed link makes the first administrator; of ten at a time one wins', async (t) => {
    const [, link = ''] = await server.printed(/first administrator, within a day: (\S+)\n/)
    t.equal(new URL(link).origin, server.url)
    const page = await fetch(link, { headers: { accept: 'text/html' } })
    t.equal(page.status, 200, 'looking at the page does not use it up')
    t.match(await page.text(), /Create the first administrator/)

    const emails = Array.from({ length: 10 }, (_, index) => `admin${index}@example.com`)
    const statuses = await Promise.all(emails.map((email) => setUp(server, link, email)))
    t.strictSame(statuses.toSorted(), [200, ...Array(9).fill(400)])
    administrator = emails[statuses.indexOf(200)] ?? ''

    t.equal((await fetch(link)).status, 400, 'and then it is over')
    t.equal(await setUp(server, link, 'late@example.com'), 400)
    tokens = await signIn(server, administrator)
    const { users } = await getJson<{ users: { email: string; role: string }[] }>(server, '/api/admin/users', tokens)
    t.strictSame(
      users.map(({ email, role }) => ({ email, role })),
      [{ email: administrator, role: 'ADMIN' }],
    )
    kids = await kidsOf(server)
    t.equal(kids.length, 4, 'a current and a next one of each algorithm')
  })

  await life.test('a second server on the same data directory refuses to start and says why', async (t) => {
    const { code, stdout, stderr } = await runServer({ DATA_DIR: dataDir, PORT: '65000' })
    t.equal(code, 1)
    t.notMatch(stdout, /Gatehouse is at/)
    t.match(stderr, /cannot start: another process has the embedded database open \(.*\/lock\); stop it/)
    t.equal((await fetch(`${server.url}/readyz`)).status, 200, 'the first one is not disturbed')
  })

  await life.test('SIGTERM ends it with exit 0 and leaves neither lock nor socket', async (t) => {
    t.ok(existsSync(lock))
    t.ok(existsSync(socket))
    const { code, signal, stderr } = await server.stop('SIGTERM')
    t.strictSame({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
    t.notOk(existsSync(lock))
    t.notOk(existsSync(socket))
    t.strictSame((await readdir(dataDir)).toSorted(), ['postgres', 'secret-keys'])
  })

  await life.test(
    'a restart keeps accounts, signing keys and sessions, and offers no administrator again',
    async (t) => {
      server = await startServer(life, { DATA_DIR: dataDir, ISSUER: server.url })
      t.strictSame(await kidsOf(server), kids)
      t.match(await getJson(server, '/api/me', tokens), { email: administrator })
      const refreshed = await post(server, '/api/auth/refresh', { refreshToken: tokens.refreshToken })
      t.equal(refreshed.status, 200)
      await signIn(server, administrator)
      const { stdout } = await server.stop()
      t.notMatch(stdout, /first administrator/)
    },
  )

  await life.test('after SIGKILL, which leaves the lock behind, it starts again', async (t) => {
    const killed = await startServer(t, { DATA_DIR: dataDir })
    await signIn(killed, administrator)
    await killed.stop('SIGKILL')
    t.ok(existsSync(lock))
    const again = await startServer(t, { DATA_DIR: dataDir })
    await signIn(again, administrator)
    t.strictSame(await kidsOf(again), kids)
    t.equal((await again.stop()).code, 0)
  })

  await life.test('a data directory with too long a path for a socket in it serves as well', async (t) => {
    const deep = join(await makeDirectory(t), ...Array(12).fill('deep-down-here'), 'data')
    t.ok(join(deep, '.s.PGSQL.5432').length > 108, 'longer than sockaddr_un holds')
    await cp(dataDir, deep, { recursive: true })
    const moved = await startServer(t, { DATA_DIR: deep })
    await signIn(moved, administrator)
    t.notOk(existsSync(join(deep, '.s.PGSQL.5432')), 'the socket is elsewhere')
    t.equal((await moved.stop()).code, 0)
    t.notOk(existsSync(join(deep, 'lock')))
  })

  await life.test('a port that is taken is told, and the data directory let go of', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    t.teardown(() => taken.close())
    const { port } = taken.address() as { port: number }
    const { code, stdout, stderr } = await runServer({ DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: 'warn' })
    t.strictSame({ code, stdout }, { code: 1, stdout: '' })
    t.match(stderr, /^Gatehouse cannot start: .*EADDRINUSE/)
    t.notOk(existsSync(lock))
  })
})

t.test('on PostgreSQL it needs no data directory', { skip: onPostgresOnly() }, async (t) => {
  const database = await makeDatabase()
  t.teardown(() => database.drop())
  const unused = join(await makeDirectory(t), 'data')
  const SECRET_KEYS = randomBytes(32).toString('base64url')
  const server = await startServer(t, { ...database.env, SECRET_KEYS, DATA_DIR: unused })
  t.equal((await fetch(`${server.url}/readyz`)).status, 200)
  const { code, stdout } = await server.stop()
  t.equal(code, 0)
  t.notMatch(stdout, /setup/, 'whoever reads its log makes no administrator')
  t.notOk(existsSync(unused))
})

t.test('a database that cannot be reached is told by what went wrong, without the password', async (t) => {
  const SECRET_KEYS = randomBytes(32).toString('base64url')
  const { code, stdout, stderr } = await runServer({
    DATABASE_URL: 'postgres://ada:hunter2@127.0.0.1:1/x',
    SECRET_KEYS,
  })
  t.strictSame({ code, stdout }, { code: 1, stdout: '' })
  t.match(stderr, /^Gatehouse cannot start: .*ECONNREFUSED 127\.0\.0\.1:1/)
  t.notMatch(stderr, /hunter2|select|params/)
})

function onPostgresOnly(): string | false {
  return process.env.TEST_DATABASE_URL ? false : 'TEST_DATABASE_URL is not set'
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777
}

function post(server: ServerProcess, path: string, body: object): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  return fetch(new URL(path, server.url), { method: 'POST', headers, body: JSON.stringify(body) })
}

async function setUp(server: ServerProcess, link: string, email: string): Promise<number> {
  const token = new URL(link).searchParams.get('token') ?? ''
  const body = new URLSearchParams({ token, email, password: PASSWORD, name: 'Ada Example' })
  return (await fetch(new URL('/setup', server.url), { method: 'POST', body })).status
}

async function signIn(server: ServerProcess, email: string): Promise<{ accessToken: string; refreshToken: string }> {
  const response = await post(server, '/api/auth/login/jwt', { email, password: PASSWORD })
  if (response.status !== 200) throw new Error(`signing in failed: ${await response.text()}`)
  return (await response.json()) as { accessToken: string; refreshToken: string }
}

async function getJson<T>(server: ServerProcess, path: string, { accessToken }: { accessToken: string }): Promise<T> {
  return (await (await fetch(new URL(path, server.url), { headers: bearer(accessToken) })).json()) as T
}

async function kidsOf(server: ServerProcess): Promise<string[]> {
  const response = await fetch(new URL('/oauth/jwks', server.url))
  return ((await response.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid).toSorted()
}
