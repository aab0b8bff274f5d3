import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { type Config, ConfigError, loadConfig } from '../src/config.ts'
import { freePort } from './fixtures/gatehouse.ts'
import { makeDirectory, runServer } from './fixtures/processes.ts'

const KEY = randomBytes(32).toString('base64url')
const OTHER_KEY = randomBytes(32).toString('base64url')
const POSTGRES = 'postgres://ada:hunter2@db.example:5432/gatehouse'

interface Variable {
  readonly name: string
  readonly member: keyof Config
  readonly fallback: unknown
  /** Each text with what it is read as. */
  readonly good: readonly (readonly [string, unknown])[]
  readonly bad: readonly string[]
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

const oneOf = (name: string, member: keyof Config, words: string[], fallback: string, bad: string[]): Variable => ({
  name,
  member,
  fallback,
  good: words.map((word) => [word, word]),
  bad,
})

/** A whole number, from 1. */
const upTo = (most: number, name: string, member: keyof Config, fallback: number, unit: string): Variable => ({
  name,
  member,
  fallback,
  good: [
    ['1', 1],
    [String(most), most],
  ],
  bad: ['0', '-1', '1.5', `1${unit}`, String(most + 1)],
})

const VARIABLES: readonly Variable[] = [
  {
    name: 'DATABASE_URL',
    member: 'databaseUrl',
    fallback: undefined,
    good: [
      [POSTGRES, POSTGRES],
      ['postgresql://localhost/gatehouse', 'postgresql://localhost/gatehouse'],
    ],
    bad: ['mysql://localhost/gatehouse', 'localhost:5432', 'gatehouse'],
  },
  {
    name: 'DATA_DIR',
    member: 'dataDir',
    fallback: resolve('.data'),
    good: [
      ['/var/lib/gatehouse', '/var/lib/gatehouse'],
      ['data', resolve('data')],
    ],
    bad: [],
  },
  {
    name: 'ISSUER',
    member: 'issuer',
    fallback: 'http://localhost:3000',
    good: [
      ['https://id.example.com', 'https://id.example.com'],
      ['https://id.example.com/', 'https://id.example.com'],
      ['https://id.example.com:8443', 'https://id.example.com:8443'],
      ['http://localhost:8080', 'http://localhost:8080'],
      ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
      ['http://[::1]:8080', 'http://[::1]:8080'],
    ],
    bad: [
      'http://id.example.com',
      'http://localhost.example.com',
      'http://10.0.0.1',
      'http://127.0.0.1.example.com',
      'https://id.example.com/tenant',
      'https://id.example.com?tenant=1',
      'https://id.example.com#tenant',
      'https://ada@id.example.com',
      'https://*.example.com',
      'id.example.com',
      'ftp://id.example.com',
    ],
  },
  {
    name: 'HOST',
    member: 'host',
    fallback: '127.0.0.1',
    good: [
      ['0.0.0.0', '0.0.0.0'],
      ['::', '::'],
      ['gatehouse.internal', 'gatehouse.internal'],
    ],
    bad: ['http://localhost', 'two words'],
  },
  {
    name: 'PORT',
    member: 'port',
    fallback: 3000,
    good: [
      ['1', 1],
      ['65535', 65535],
      [' 8080 ', 8080],
    ],
    bad: ['0', '65536', '-1', '8080.5', '0x1f', 'http', '1e3'],
  },
  {
    name: 'SECRET_KEYS',
    member: 'secretKeys',
    fallback: undefined,
    good: [
      [KEY, [Buffer.from(KEY, 'base64url')]],
      [`${KEY}=`, [Buffer.from(KEY, 'base64url')]],
      [`${KEY}, ${OTHER_KEY}`, [Buffer.from(KEY, 'base64url'), Buffer.from(OTHER_KEY, 'base64url')]],
    ],
    bad: [KEY.slice(1), `${KEY}A`, `${KEY},`, `${KEY} ${OTHER_KEY}`, 'x'.repeat(42), `${KEY.slice(0, 42)}+`],
  },
  {
    name: 'TRUST_PROXY',
    member: 'trustProxy',
    fallback: [],
    good: [
      ['127.0.0.1', ['127.0.0.1']],
      ['10.0.0.0/8, ::1/128,loopback', ['10.0.0.0/8', '::1/128', 'loopback']],
    ],
    bad: ['true', '*', '10.0.0.0/33', '::1/129', '10.0.0/8', '10.0.0.0/8/8', '127.0.0.1,', 'proxy.internal'],
  },
  {
    name: 'CORS_ORIGINS',
    member: 'corsOrigins',
    fallback: [],
    good: [
      ['https://app.example.com', ['https://app.example.com']],
      ['https://a.example, http://localhost:5173', ['https://a.example', 'http://localhost:5173']],
    ],
    bad: ['*', 'null', 'https://app.example.com/', 'https://*.example.com', 'app.example.com', 'file://'],
  },
  oneOf('SIGN_UP', 'signUp', ['open', 'closed'], 'open', ['OPEN', 'no', 'false']),
  oneOf('CLIENT_REGISTRATION', 'clientRegistration', ['off', 'token', 'open'], 'token', ['on', 'closed']),
  {
    name: 'API_KEY_PREFIX',
    member: 'apiKeyPrefix',
    fallback: 'gk_live_',
    good: [
      ['gk_test_', 'gk_test_'],
      ['k9_', 'k9_'],
    ],
    bad: ['gk_live', 'GK_', '_', '9k_', 'gk__', 'gk-live_', 'ey.', 'a_prefix_that_is_longer_than_20_'],
  },
  upTo(99_999, 'CREDENTIAL_CACHE_MIB', 'cacheMebibytes', 64, 'MiB'),
  { name: 'KEY_ROTATION_DAYS', member: 'keyRotationDays', fallback: 30, good: [['0.5', 0.5]], bad: ['0', '366', '.5'] },
  upTo(3_600, 'USAGE_INTERVAL_SECONDS', 'usageIntervalSeconds', 5, 's'),
  {
    name: 'NATS_URL',
    member: 'natsUrl',
    fallback: undefined,
    good: [
      ['nats://127.0.0.1:4222', 'nats://127.0.0.1:4222'],
      ['tls://nats.internal', 'tls://nats.internal'],
    ],
    bad: ['127.0.0.1:4222', 'http://nats.internal'],
  },
  oneOf('LOG_LEVEL', 'logLevel', LOG_LEVELS, 'info', ['verbose', 'INFO', '30']),
]

for (const { name, member, fallback, good, bad } of VARIABLES) {
  t.test(`${name}: its default, good values, bad values`, async (t) => {
    t.strictSame(loadConfig({})[member], fallback, 'missing')
    t.strictSame(loadConfig({ [name]: '  ' })[member], fallback, 'empty is missing')
    for (const [text, value] of good) {
      t.strictSame(loadConfig({ SECRET_KEYS: KEY, [name]: text })[member], value, text)
    }
    for (const text of bad) t.strictSame(namesOf({ SECRET_KEYS: KEY, [name]: text }), [name], text)
  })
}

t.test('the issuer follows the port when it is not given', async (t) => {
  t.equal(loadConfig({ PORT: '8080' }).issuer, 'http://localhost:8080')
})

t.test('an issuer outside localhost must be https, and the error says so', async (t) => {
  t.throws(() => loadConfig({ ISSUER: 'http://id.example.com' }), { message: /ISSUER must be https outside localhost/ })
})

t.test('SECRET_KEYS is required with DATABASE_URL', async (t) => {
  t.strictSame(namesOf({ DATABASE_URL: POSTGRES }), ['SECRET_KEYS'])
  t.strictSame(namesOf({ DATABASE_URL: POSTGRES, SECRET_KEYS: '' }), ['SECRET_KEYS'])
  t.strictSame(namesOf({ DATABASE_URL: POSTGRES, SECRET_KEYS: 'bad' }), ['SECRET_KEYS'], 'named once')
  t.strictSame(namesOf({ DATABASE_URL: POSTGRES, SECRET_KEYS: KEY }), [])
})

const ALL_BAD = Object.fromEntries(VARIABLES.flatMap(({ name, bad: [first] }) => (first ? [[name, first]] : [])))

t.test('one error names every bad variable, and tells no value', async (t) => {
  t.strictSame(namesOf(ALL_BAD).sort(), Object.keys(ALL_BAD).sort())
  const url = 'mysql://ada:hunter2@db.example/gatehouse'
  const error = refusal({ DATABASE_URL: url, SECRET_KEYS: `${KEY}A` })
  t.notMatch(error?.message, /hunter2/)
  t.notOk(error?.message.includes(KEY))
})

t.test('the configuration cannot be changed', async (t) => {
  t.ok(Object.isFrozen(loadConfig({})))
})

t.test('a server with bad variables names each on stderr, exits 1 and has started nothing', async (t) => {
  const dataDir = join(await makeDirectory(t), 'data')
  const port = String(await freePort())
  const { PORT: _, ...bad } = ALL_BAD
  const { code, stdout, stderr } = await runServer({ ...bad, DATA_DIR: dataDir, PORT: port })
  t.equal(code, 1)
  t.equal(stdout, '')
  for (const name of Object.keys(bad)) t.match(stderr, new RegExp(`^ *- ${name} `, 'm'))
  t.notMatch(stderr, /^ +at /m, 'and no stack')
  t.notOk(existsSync(dataDir))
  await t.rejects(fetch(`http://127.0.0.1:${port}/healthz`), 'nothing listens')
})

t.test('a server with DATABASE_URL and no SECRET_KEYS says so, exits 1 and makes none', async (t) => {
  const dataDir = join(await makeDirectory(t), 'data')
  const { code, stdout, stderr } = await runServer({ DATABASE_URL: 'postgres://127.0.0.1:1/none', DATA_DIR: dataDir })
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /SECRET_KEYS is required with DATABASE_URL/)
  t.notOk(existsSync(dataDir))
})

/** The variables an environment is refused for. */
function namesOf(env: NodeJS.ProcessEnv): string[] {
  return refusal(env)?.problems.map((problem) => problem.split(' ')[0] ?? '') ?? []
}

function refusal(env: NodeJS.ProcessEnv): ConfigError | undefined {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  return undefined
}
