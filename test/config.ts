import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, loadConfig } from '../src/config.ts'
import { freePort } from './fixtures/gatehouse.ts'
import { makeDirectory, runServer } from './fixtures/processes.ts'
import { KEY, POSTGRES, VARIABLES } from './fixtures/variables.ts'

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
