import { sql } from 'drizzle-orm'
import * as openid from 'openid-client'
import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, makeClient, passPages, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, PASSWORD, signIn } from '../fixtures/people.ts'

const server = await startGatehouse(t, { env: { LOG_LEVEL: 'trace' } })

/** Everything secret that a whole flow brings about, by name; of a JWT its signature, without which it is none. */
const secrets = new Map<string, string>()
const bodyOf = async (response: Response) => (await response.json()) as Record<string, string>
const keep = (name: string, value: string | undefined) => {
  if (value === undefined) throw new Error(`no ${name}`)
  secrets.set(name, value.split('.').length === 3 ? (value.split('.')[2] ?? '') : value)
  return value
}

t.before(async () => {
  keep('password', PASSWORD)
  const person = await makePerson(server)
  const session = await signIn(server, person)
  keep('first-party JWT', session.accessToken)
  keep('first-party refresh token', session.refreshToken)
  const refreshed = await bodyOf(await server.post('/api/auth/refresh', { refreshToken: session.refreshToken }))
  keep('next refresh token', refreshed.refreshToken)
  const key = await server.post('/api/auth/apikey/generate', { name: 'k' }, bearer(refreshed.accessToken ?? ''))
  const apiKey = keep('API key', (await bodyOf(key)).apiKey)
  await server.fetch('/api/me', { headers: { 'x-api-key': apiKey } })

  const client = await makeClient(server)
  keep('client secret', client.secret)
  const browser = new Browser(server)
  const { url, verifier, state } = await authorizationRequest(client)
  keep('PKCE verifier', verifier)
  const signInPage = await browser.goto(url.href)
  keep('interaction', signInPage.form('/login').action.split('/')[2])
  const end = new URL((await passPages(browser, signInPage, person)).url)
  keep('code', end.searchParams.get('code') ?? undefined)
  for (const [name, { value }] of browser.cookies) keep(`cookie ${name}`, value)
  const tokens = await openid.authorizationCodeGrant(client.configuration, end, {
    pkceCodeVerifier: verifier,
    expectedState: state,
  })
  keep('access token', tokens.access_token)
  keep('refresh token', tokens.refresh_token)
  keep('ID token', tokens.id_token)
  const next = await openid.refreshTokenGrant(client.configuration, tokens.refresh_token ?? '', {
    scope: 'openid email',
  })
  keep('opaque access token', next.access_token)
  keep('rotated refresh token', next.refresh_token)
  await openid.tokenIntrospection(client.configuration, next.access_token)
  await openid.fetchUserInfo(client.configuration, next.access_token, person.id)
  await server.fetch('/api/auth/logout', { method: 'POST', headers: bearer(tokens.access_token) })

  const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
  keep('secret of a machine', machine.secret)
  const granted = await tokenRequest(server, machine, { grant_type: 'client_credentials', scope: 'profile:read' })
  keep('token of a machine', (await bodyOf(granted)).access_token)

  // Secrets where they do not belong.
  await server.fetch(`/api/me?access_token=${apiKey}&key=${apiKey}`)
  await server.fetch(`/api/keys/${apiKey}`, { method: 'DELETE', headers: { 'x-api-key': apiKey } })
  await server.fetch(`/nowhere/${apiKey}`, { headers: { 'x-password': PASSWORD, authorization: `Basic ${apiKey}` } })
  await server.post('/api/auth/login/jwt', `{"email":"a@example.com","password":"${PASSWORD}"`)
  await server.post('/api/auth/login/jwt', { email: person.email, password: PASSWORD, [PASSWORD]: PASSWORD })
  await server.fetch('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: apiKey, code: apiKey }),
  })
  await server.db.execute(sql`alter table api_keys rename to api_keys_away`)
  const broken = await server.fetch('/api/me', { headers: { 'x-api-key': apiKey } })
  if (broken.status !== 200 && broken.status !== 500) throw new Error(`unexpected ${broken.status}`)
  const failed = await server.post('/api/auth/apikey/generate', { name: 'k' }, bearer(refreshed.accessToken ?? ''))
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
  const tables = await server.db.execute<{ name: string }>(
    sql`select table_name as name from information_schema.tables where table_schema = 'public'`,
  )
  let dump = ''
  for (const { name } of tables) {
    const rows = await server.db.execute(
      sql`select row_to_json(each)::text as row from ${sql.identifier(name)} as each`,
    )
    dump += rows.map(({ row }) => row).join('\n')
  }
  t.match(dump, /"model":"RefreshToken"/, 'the flow left its traces')
  for (const [name, value] of secrets) {
    const bytes = Buffer.from(value)
    const forms = [value, bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('hex')]
    t.notOk(
      forms.some((form) => dump.includes(form)),
      name,
    )
  }
})
