import { sql } from 'drizzle-orm'
import t from 'tap'
import { dumpDatabase } from '../fixtures/dump.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, PASSWORD } from '../fixtures/people.ts'
import { runWholeFlow } from '../fixtures/whole-flow.ts'

const server = await startGatehouse(t, { env: { LOG_LEVEL: 'trace' } })
let secrets: ReadonlyMap<string, string> = new Map()

t.before(async () => {
  const flow = await runWholeFlow(server)
  secrets = flow.secrets
  const { apiKey, firstPartyJwt, setupToken } = flow.good
  const admin = new URLSearchParams({ token: setupToken, email: 'admin@example.com', password: PASSWORD })
  const made = await server.fetch('/setup', { method: 'POST', body: admin })
  if (made.status !== 200) throw new Error(`no administrator: ${made.status}`)

  // Secrets where they do not belong.
  await server.fetch(`/api/me?access_token=${apiKey}&key=${apiKey}`)
  await server.fetch(`/api/keys/${apiKey}`, { method: 'DELETE', headers: { 'x-api-key': apiKey } })
  await server.fetch(`/nowhere/${apiKey}`, { headers: { 'x-password': PASSWORD, authorization: `Basic ${apiKey}` } })
  await server.post('/api/auth/login/jwt', `{"email":"a@example.com","password":"${PASSWORD}"`)
  await server.post('/api/auth/login/jwt', { email: flow.person.email, password: PASSWORD, [PASSWORD]: PASSWORD })
  await server.fetch('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: apiKey, code: apiKey }),
  })
  await server.db.execute(sql`alter table api_keys rename to api_keys_away`)
  const broken = await server.fetch('/api/me', { headers: { 'x-api-key': apiKey } })
  if (broken.status !== 200 && broken.status !== 500) throw new Error(`unexpected ${broken.status}`)
  const failed = await server.post('/api/auth/apikey/generate', { name: 'k' }, bearer(firstPartyJwt))
  if (failed.status !== 500) throw new Error(`a query was to fail, not ${failed.status}`)
  await server.db.execute(sql`alter table api_keys_away rename to api_keys`)
})

t.test('no log line at any level holds a secret', (t) => {
  const log = server.log.join('')
  t.match(log, /"route":"\/interaction\/:uid\/login"/, 'requests are logged, by their route')
  t.match(log, /a query failed/, 'and failures of the database')
  t.ok(secrets.size > 15)
  for (const [name, value] of secrets) t.notOk(log.includes(value), name)
  t.end()
})

t.test('no table holds a secret, as it is or encoded', async (t) => {
  const dump = await dumpDatabase(server.db)
  t.match(dump, /"model":"RefreshToken"/, 'the flow left its traces')
  const kept = [...secrets, ...(server.config.secretKeys ?? []).map((key) => ['SECRET_KEYS', key] as const)]
  for (const [name, value] of kept) {
    const bytes = Buffer.from(value)
    const decoded = typeof value === 'string' ? Buffer.from(value, 'base64url') : bytes
    const forms = [bytes, decoded].flatMap((form) => [
      ...[form.toString('base64').replace(/=+$/, ''), form.toString('base64url'), form.toString('hex')],
    ])
    t.notOk(
      [String(value), ...forms].some((form) => form.length > 8 && dump.includes(form)),
      name,
    )
  }
})
