import { once } from 'node:events'
import { createConnection } from 'node:net'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { makeOpaqueToken } from '../../src/secrets/opaque-token.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, passPages, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { basic, clientPost } from '../fixtures/wire.ts'

// Most secrets of a flow that goes well are the matter of no-secret-kept.ts; here things go wrong.

const server = await startGatehouse(t, { env: { LOG_LEVEL: 'trace' } })
const printed = (['log', 'info', 'warn', 'error'] as const).map((name) => t.capture(console, name, () => {}))

type Plant = (place: string, secret?: string) => string
type Send = (path: string, init?: RequestInit) => Promise<Response>

/** Does something with a new secret in each place, and checks that none of them is logged or kept. */
async function noneIsTold(t: Test, work: (plant: Plant) => Promise<unknown>): Promise<void> {
  const secrets = new Map<string, string>()
  const before = server.log.length
  await work((place, secret = makeOpaqueToken()) => {
    secrets.set(place, secret)
    return secret
  })
  const log = server.log.slice(before).join('')
  const console = JSON.stringify(printed.map((calls) => calls().map(({ args }) => args)))
  const dump = await dumpTables()
  t.ok(secrets.size > 0)
  t.match(log, /"level":/, 'something was logged')
  for (const [place, secret] of secrets) {
    t.notOk(occurs(secret, log), `log: ${place}`)
    t.notOk(occurs(secret, console), `console: ${place}`)
    t.notOk(occurs(secret, dump), `tables: ${place}`)
  }
}

/** Whether a secret stands in a text, as it is, encoded again, or decoded to hex. */
function occurs(secret: string, text: string): boolean {
  const bytes = Buffer.from(secret)
  return [
    secret,
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    Buffer.from(secret, 'base64url').toString('hex'),
  ].some((form) => text.includes(form))
}

async function dumpTables(): Promise<string> {
  const tables = await server.db.execute<{ name: string }>(
    sql`select table_name as name from information_schema.tables where table_schema = 'public'`,
  )
  const rows = await Promise.all(
    tables.map(({ name }) =>
      server.db.execute(sql`select row_to_json(each)::text from ${sql.identifier(name)} as each`),
    ),
  )
  return JSON.stringify(rows)
}

const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  server.fetch(path, { method: 'POST', body: new URLSearchParams(fields), headers })

/** Sends bytes that no HTTP client would send, and waits until the server is done with them. */
async function sendRaw(text: string): Promise<void> {
  const socket = createConnection(Number(new URL(server.url).port), '127.0.0.1')
  socket.on('error', () => {}).resume()
  socket.end(text)
  await once(socket, 'close')
}

t.test('state, passwords and tokens that are given back', (t) =>
  noneIsTold(t, async (plant) => {
    const client = await makeClient(server)
    const person = await makePerson(server)
    const { url } = await authorizationRequest(client, { state: plant('state') })
    const browser = new Browser(server)
    await passPages(browser, await browser.goto(url.href), person)
    const denied = await browser.goto((await authorizationRequest(client, { state: plant('state, denied') })).url.href)
    await browser.submit(denied, denied.form('/abort'))
    await server.post('/api/auth/register', { email: 'a@example.com', password: plant('a new password') })
    const { access_token, refresh_token = '' } = await (await authorize(server, client, person)).redeem()
    plant('the signature of a revoked token', access_token.split('.')[2])
    for (const token of [access_token, plant('a revoked refresh token', refresh_token)]) {
      t.equal((await clientPost(server, '/oauth/revoke', client, { token })).status, 200)
    }
  }),
)

t.test('a secret in the URL, where it does not belong', (t) =>
  noneIsTold(t, async (plant) => {
    const get: Send = (path) => server.fetch(path, { headers: { accept: 'text/html' } })
    for (const path of ['/api/me', '/api/keys', '/api/admin/users', '/', '/healthz', '/oauth/token', '/oauth/jwks']) {
      await get(`${path}?secret=${plant(`the query of ${path}`)}`)
      await get(`${path}?access_token=${plant(`access_token in the query of ${path}`)}`)
    }
    for (const path of [
      '',
      '/interaction/',
      '/interaction/x/',
      '/api/',
      '/api/keys/',
      '/assets/',
      '/oauth/authorize/',
    ]) {
      await get(`${path}/${plant(`the path below ${path}`)}`)
      await get(`${path}/${plant(`a malformed path below ${path}`)}%zz`)
      await get(`${path}/${plant(`a path with a NUL below ${path}`)}%00`)
    }
    await get(`/setup?token=${plant('a one-time link')}`)
    await get(`/setup?token=${plant('a malformed one-time link')}x`)
    await get(`/oauth/authorize?client_id=${plant('client_id')}&redirect_uri=https://${plant('redirect_uri')}.example/`)
    await get(`/oauth/logout?id_token_hint=${plant('id_token_hint')}&state=${plant('state of a sign-out')}`)
    await server.fetch(`/api/keys/${plant('an identifier')}`, { method: 'DELETE' })
    await server.fetch(`/oauth/token?code=${plant('code in the query')}`, { method: 'POST' })
  }),
)

t.test('a secret in a header, where it does not belong', (t) =>
  noneIsTold(t, async (plant) => {
    for (const [name, value] of [
      ['authorization', `Bearer ${plant('a token nobody issued')}`],
      ['authorization', `Bearer eyJhbGciOiJFUzI1NiJ9.e30.${plant('a signature of ours it is not')}`],
      ['authorization', `Bearer gk_live_${plant('an API key nobody issued')}`],
      ['authorization', `Bearer ${plant('one of two tokens')} ${plant('the other one')}`],
      ['authorization', `Basic ${btoa(`ada:${plant('a password by Basic')}`)}`],
      ['authorization', plant('a token without a scheme')],
      ['x-api-key', plant('X-API-Key')],
      ['cookie', `gatehouse_refresh=${plant('a refresh cookie')}; gatehouse_sso=${plant('a session cookie')}`],
      ['origin', `https://${plant('Origin')}.example`],
      ['referer', `${server.url}/setup?token=${plant('Referer')}`],
      ['user-agent', plant('User-Agent')],
      ['x-forwarded-for', plant('X-Forwarded-For')],
      ['x-request-id', plant('X-Request-Id')],
      ['accept', `text/${plant('Accept')}`],
      ['content-type', `application/${plant('Content-Type')}`],
      ['x-anything', plant('any other header')],
    ] as const) {
      for (const path of ['/api/me', '/oauth/userinfo', '/oauth/authorize', '/nowhere', '/interaction/x']) {
        await server.fetch(path, { headers: { [name]: value } })
      }
      for (const path of ['/api/auth/refresh', '/api/auth/logout', '/oauth/token', '/oauth/introspect', '/setup']) {
        await form(path, { grant_type: 'client_credentials' }, { [name]: value })
        await server.post(path, {}, { [name]: value })
      }
    }
  }),
)

t.test('a secret in a body that is refused', (t) =>
  noneIsTold(t, async (plant) => {
    const person = await makePerson(server)
    for (const path of ['/api/auth/login/jwt', '/api/auth/register', '/api/auth/refresh', '/oauth/register']) {
      await server.post(path, `{"password":"${plant(`JSON cut short, to ${path}`)}`)
      await server.post(path, `${plant(`no JSON at all, to ${path}`)}`)
      await server.post(path, `{"password":${plant(`a word without quotes, to ${path}`)}}`)
      await server.post(path, { [plant(`the name of a member, to ${path}`)]: 1 })
      await server.post(path, { email: [plant(`a list for a text, to ${path}`)], password: { a: 1 } })
      await server.post(path, { email: `${plant(`with a NUL, to ${path}`)}\0`, password: 'x'.repeat(9) })
      await server.post(path, { password: plant(`too large a body, to ${path}`) + 'x'.repeat(70_000) })
      await server.post(path, { password: plant('another content type') }, { 'content-type': 'text/plain' })
    }
    const wrong = plant('a wrong password')
    await server.post('/api/auth/login/jwt', { email: person.email, password: wrong })
    await server.post('/api/auth/login/jwt', { email: plant('a password typed as the e-mail'), password: 'none' })
    await server.post('/api/auth/register', { email: person.email, password: plant('the password for a taken e-mail') })
    await form('/setup', { token: plant('a link that is over'), email: 'a@example.com', password: plant('a password') })
  }),
)

t.test('a secret that the OAuth endpoints refuse, wherever it stands', (t) =>
  noneIsTold(t, async (plant) => {
    const client = await makeClient(server)
    for (const name of ['grant_type', 'code', 'refresh_token', 'scope', 'resource', 'redirect_uri', 'client_id']) {
      const grant = { grant_type: 'authorization_code', code: 'x', code_verifier: 'x'.repeat(43) }
      await tokenRequest(server, client, { ...grant, [name]: plant(`${name} of a token request`) })
      await form('/oauth/token', { ...grant, [name]: plant(`${name}, by nobody`) })
    }
    await tokenRequest(server, client, {
      grant_type: 'refresh_token',
      refresh_token: plant('an unknown refresh token'),
    })
    await tokenRequest(server, { ...client, secret: plant('a wrong secret') }, { grant_type: 'authorization_code' })
    await form('/oauth/token', { client_id: client.id, client_secret: plant('a wrong secret in the body') })
    await form('/oauth/token', { client_id: client.id, client_secret: plant('two secrets') }, basic(client))
    const assertion = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }
    await form('/oauth/token', { ...assertion, client_assertion: `e30.e30.${plant('an assertion')}` })
    for (const path of ['/oauth/introspect', '/oauth/revoke']) {
      await clientPost(server, path, client, { token: plant(`an unknown token to ${path}`) })
      await clientPost(server, path, client, { token: `eyJ.e30.${plant(`a JWT to ${path}`)}`, token_type_hint: 'x' })
      await form(path, { token: plant(`a token to ${path}, by nobody`) })
    }
    await server.post('/oauth/register', { redirect_uris: [] }, bearer(plant('an initial access token')))
    const { code } = await authorize(server, client, await makePerson(server))
    const verifier = plant('a wrong verifier')
    await tokenRequest(server, client, { grant_type: 'authorization_code', code, code_verifier: verifier })
  }),
)

t.test('what is no HTTP at all', (t) =>
  noneIsTold(t, async (plant) => {
    await sendRaw(`${plant('a method')} / HTTP/1.1\r\nhost: localhost\r\n\r\n`)
    await sendRaw(`GET /${plant('a version')} HTTP/9.9\r\n\r\n`)
    await sendRaw(`GET / HTTP/1.1\r\nauthorization: Bearer ${plant('before a bad header')}\r\nbad header\r\n\r\n`)
    await sendRaw(`GET / HTTP/1.1\r\nhost: x\r\nx-api-key: ${plant('a long header')}${'x'.repeat(20_000)}\r\n\r\n`)
    await sendRaw(`POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n${plant('longer than it says')}`)
    await sendRaw(`${plant('no HTTP')}\n`)
    await server.fetch('/healthz')
  }),
)

t.test('a query that fails is told without its values', (t) =>
  noneIsTold(t, async (plant) => {
    const person = await makePerson(server)
    const client = await makeClient(server)
    const browser = new Browser(server)
    const page = await browser.goto((await authorizationRequest(client)).url.href)
    const tables = ['accounts', 'provider_models', 'api_keys', 'first_party_refresh_tokens']
    const rename = async (from: string, to: string) => {
      for (const table of tables) {
        await server.db.execute(
          sql`alter table ${sql.identifier(table + from)} rename to ${sql.identifier(table + to)}`,
        )
      }
    }
    await rename('', '_away')
    const statuses: number[] = []
    const note = (response: Response) => statuses.push(response.status)
    const password = plant('the password')
    note(await server.post('/api/auth/login/jwt', { email: person.email, password }))
    note(await server.post('/api/auth/register', { email: 'b@example.com', password: plant('a new password') }))
    note(await server.post('/api/auth/refresh', { refreshToken: plant('a refresh token') }))
    note(await server.fetch('/api/me', { headers: bearer(plant('an access token')) }))
    note(await tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token: plant('of OAuth') }))
    note(await clientPost(server, '/oauth/introspect', client, { token: plant('a token to introspect') }))
    note(await server.fetch(`/interaction/${plant('an interaction')}`))
    note(await browser.request(page.url))
    await rename('_away', '')
    t.ok(statuses.filter((status) => status === 500).length >= 6, `they did fail: ${statuses.join()}`)
    t.match(server.log.join(''), /a query failed/)
  }),
)
