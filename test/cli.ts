import { existsSync } from 'node:fs'
import t from 'tap'
import { makeEmptyDatabase } from './fixtures/empty-database.ts'
import { startGatehouse } from './fixtures/gatehouse.ts'
import { createOperator } from './fixtures/operator.ts'
import { bearer, PASSWORD } from './fixtures/people.ts'
import { makeDirectory, runCli, startServer } from './fixtures/processes.ts'

const KEY = Buffer.alloc(32, 7).toString('base64url')

t.test('a command works before any server has run, and the server finds what it did', async (t) => {
  const env = await makeEmptyDatabase(t)
  const operator = createOperator(env)
  const create = ['accounts', 'create', '--role', 'admin', '--email', 'ada@example.com', '--password-stdin']
  const { id } = await operator.run<{ id: string }>(t, create, PASSWORD)

  const server = await startServer(t, env)
  const response = await fetch(`${server.url}/api/auth/login/jwt`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'ada@example.com', password: PASSWORD }),
  })
  t.equal(response.status, 200)
  const { accessToken } = (await response.json()) as { accessToken: string }

  await operator.run(t, ['accounts', 'create', '--email', 'grace@example.com', '--password-stdin'], PASSWORD)
  const listed = await fetch(`${server.url}/api/admin/users`, { headers: bearer(accessToken) })
  t.match(await listed.json(), { users: [{ id }, { email: 'grace@example.com' }] }, 'and the other way round')

  const { stdout, code } = await server.stop()
  t.equal(code, 0)
  t.notMatch(stdout, /first administrator/)
  await operator.run(t, ['clients', 'list'])
})

t.test('migrate can be repeated, also while a server starts and while it runs', async (t) => {
  const env = await makeEmptyDatabase(t)
  const operator = createOperator(env)
  const migrate = () => operator.run(t, ['migrate'])
  t.strictSame(await migrate(), { migrated: true })
  t.strictSame(await migrate(), { migrated: true })
  const [server, answer] = await Promise.all([startServer(t, env), migrate()])
  t.strictSame(answer, { migrated: true })
  t.strictSame(await migrate(), { migrated: true })
  t.equal((await fetch(`${server.url}/readyz`)).status, 200)
})

t.test(
  'two that migrate an empty database at once both succeed',
  { skip: !process.env.TEST_DATABASE_URL && 'TEST_DATABASE_URL is not set' },
  async (t) => {
    const operator = createOperator(await makeEmptyDatabase(t))
    const answers = await Promise.all([operator.run(t, ['migrate']), operator.run(t, ['migrate'])])
    t.strictSame(answers, [{ migrated: true }, { migrated: true }])
  },
)

t.test('what is no command is refused, with the list of those that are', async (t) => {
  const operator = createOperator({ DATA_DIR: await makeDirectory(t) })
  for (const words of [['accounts'], ['accounts', 'destroy'], ['clientscreate'], ['clients', 'LIST']]) {
    const told = await operator.refused(t, words)
    t.match(told, `There is no command "${words.join(' ')}".`)
    t.match(told, /accounts create --email E/)
  }
  for (const words of [[], ['help'], ['clients', 'create', '--help']]) {
    t.match(await operator.refused(t, words), /clients rotate-secret ID/)
  }
  for (const words of [
    ['migrate', 'now'],
    ['keys', 'list', 'all'],
  ]) {
    t.match(await operator.refused(t, words), /Unexpected argument/)
  }
  t.match(await operator.refused(t, ['keys', 'list', '--all']), /Unknown option '--all'/)
})

t.test('a bad configuration is told as the server tells it, and nothing is made', async (t) => {
  const dataDir = `${await makeDirectory(t)}/data`
  const told = await createOperator({ DATA_DIR: dataDir, PORT: 'none', SIGN_UP: 'maybe' }).refused(t, [
    'clients',
    'list',
  ])
  t.match(told, /PORT must be a port number[^]*SIGN_UP must be one of/)
  t.notOk(existsSync(dataDir))
  const keyless = createOperator({ DATABASE_URL: 'postgres://127.0.0.1:1/none' })
  t.match(await keyless.refused(t, ['clients', 'list']), /SECRET_KEYS is required with DATABASE_URL/)
})

t.test('a database that cannot be reached is told by what went wrong, without the password', async (t) => {
  const operator = createOperator({ DATABASE_URL: 'postgres://ada:hunter2@127.0.0.1:1/none', SECRET_KEYS: KEY })
  const told = await operator.refused(t, ['clients', 'list'])
  t.match(told, /ECONNREFUSED 127\.0\.0\.1:1/)
  t.notMatch(told, /hunter2|select/)
})

t.test('without --json it speaks to a person', async (t) => {
  const server = await startGatehouse(t)
  const args = ['clients', 'create', '--name', 'Robot', '--type', 'machine']
  const { code, stdout, stderr } = await runCli(args, server.env)
  t.strictSame({ code, stderr }, { code: 0, stderr: '' })
  t.match(stdout, /^client_id: client_[0-9a-f]{32}\nclient_secret: [\w-]{43}\n$/)
})
