import { randomUUID } from 'node:crypto'
import { getTableName, is, sql } from 'drizzle-orm'
import { PgTable } from 'drizzle-orm/pg-core'
import t, { type Test } from 'tap'
import * as schema from '../../src/database/schema.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, PASSWORD, signIn } from '../fixtures/people.ts'
import { rawRequest } from '../fixtures/wire.ts'

interface Refusal {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly body: string
}

const server = await startGatehouse(t)
const person = await makePerson(server)
const session = await signIn(server, person)
const owner = bearer(session.accessToken)
const key = await makeKey(server, person)

const REGISTER = '/api/auth/register'
const SIGN_IN = '/api/auth/login/jwt'
const GENERATE = '/api/auth/apikey/generate'
const OTHER_PASSWORD = 'another fine password'
const account = () => ({ email: `${randomUUID()}@example.com`, password: PASSWORD })

/** The rows of each table; of the audit without refusals, and without what links those from before in its own time. */
async function countRows(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const tables = Object.values(schema).filter((value) => is(value, PgTable))
  for (const table of tables) {
    const changes = table === schema.auditEvents ? sql`where outcome = 'success'` : sql``
    const [row] = await server.db.execute<{ count: number }>(
      sql`select count(*)::int as count from ${table} ${changes}`,
    )
    counts[getTableName(table)] = row?.count ?? -1
  }
  return counts
}

/** Sends a body as it is, over a connection that adds nothing to it. */
function send(path: string, body: string, headers: Record<string, string> = {}): Promise<Refusal> {
  const length = { 'content-length': String(Buffer.byteLength(body)) }
  const sent = { 'content-type': 'application/json', ...length, ...owner, ...headers }
  return rawRequest(server, path, { method: 'POST', headers: sent, body })
}

const sendJson = (path: string, body: unknown) => send(path, JSON.stringify(body))

function refused(t: Test, answer: Refusal, status: number, name: string): void {
  t.equal(answer.status, status, name)
  t.match(answer.headers['content-type'], /^application\/problem\+json/)
  t.match(JSON.parse(answer.body), { type: 'about:blank', title: /\w/, status, detail: /\w/, code: /^[a-z_]+$/ })
  t.notMatch(answer.body, /node_modules|\.ts:|select |insert |postgres|drizzle/i, 'tells nothing of the inside')
}

const before = await countRows()

t.test('a body that is not JSON: 400', async (t) => {
  const bodies = ['{', '{"email":}', 'email=a', '{"a":1}{"a":2}', "{'a':1}", '{"a":1,}', '\ufeff', 'undefined', '']
  for (const path of [REGISTER, SIGN_IN, GENERATE, '/api/auth/refresh', '/api/auth/logout']) {
    for (const body of bodies) refused(t, await send(path, body), 400, `${path} ${JSON.stringify(body)}`)
  }
})

t.test('JSON that is no object, or nested beyond reason: 400', async (t) => {
  for (const path of [REGISTER, SIGN_IN, GENERATE]) {
    for (const body of ['null', '[]', '"text"', '1', 'true', '{}'])
      refused(t, await send(path, body), 400, `${path} ${body}`)
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const depth = 60_000 / (open.length + close.length)
      refused(t, await send(path, `${open.repeat(depth)}1${close.repeat(depth)}`), 400, `${path} ${open}${open}…`)
    }
  }
})

t.test('members of the wrong type or out of bounds: 400', async (t) => {
  const wrong = [null, 1, true, [], {}, ['a@example.com'], '']
  for (const member of ['email', 'password']) {
    for (const value of wrong) {
      refused(t, await sendJson(REGISTER, { ...account(), [member]: value }), 400, `register ${member} ${value}`)
      refused(t, await sendJson(SIGN_IN, { ...account(), [member]: value }), 400, `sign-in ${member} ${value}`)
    }
  }
  for (const name of [null, 1, [], 'x'.repeat(201)]) {
    refused(t, await sendJson(REGISTER, { ...account(), name }), 400, `register name ${name}`)
  }
  for (const name of [null, 1, [], '', 'x'.repeat(101)]) {
    refused(t, await sendJson(GENERATE, { name }), 400, `key name ${name}`)
  }
  for (const permissions of [null, 'keys:read', {}, [1], [null], [['keys:read']], ['keys:read', 'keys:read']]) {
    refused(t, await sendJson(GENERATE, { name: 'a', permissions }), 400, `permissions ${JSON.stringify(permissions)}`)
  }
  refused(t, await sendJson('/api/auth/refresh', { refreshToken: 1 }), 400, 'refresh token')
  refused(t, await sendJson('/api/auth/refresh', { refreshToken: 'x'.repeat(129) }), 400, 'long refresh token')
})

t.test('unknown members: 400, and none of them is taken (ASVS V8.2.3)', async (t) => {
  const extras = { role: 'ADMIN', id: randomUUID(), emailVerified: true, disabledAt: null, createdAt: '2020-01-01' }
  for (const [name, value] of Object.entries(extras)) {
    refused(t, await sendJson(REGISTER, { ...account(), [name]: value }), 400, name)
    refused(t, await sendJson(SIGN_IN, { email: person.email, password: PASSWORD, [name]: value }), 400, name)
    refused(t, await sendJson('/api/auth/logout', { [name]: value }), 400, name)
    refused(t, await sendJson('/api/auth/refresh', { refreshToken: session.refreshToken, [name]: value }), 400, name)
  }
  for (const body of ['{"__proto__":{"role":"admin"}}', '{"constructor":{"prototype":{"role":"admin"}}}']) {
    refused(
      t,
      await send(REGISTER, body.replace('{', `{"email":"${account().email}","password":"${PASSWORD}",`)),
      400,
      body,
    )
  }
})

t.test('a body over 64 KiB: 413', async (t) => {
  const padding = 'x'.repeat(64 * 1024 + 1 - '{"name":""}'.length)
  for (const path of [REGISTER, SIGN_IN, GENERATE]) refused(t, await sendJson(path, { name: padding }), 413, path)
  refused(t, await sendJson(GENERATE, { name: padding.slice(1) }), 400, '64 KiB is read')
  const chunked = await rawRequest(server, REGISTER, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    body: JSON.stringify({ name: padding }),
  })
  refused(t, chunked, 413, 'also without a length')
})

t.test('another content type: 415, and no spelling of one goes around validation', async (t) => {
  const types = ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml', 'text/json']
  for (const type of [...types, 'application/jsonp', 'application/json5', 'json', '*/*', '']) {
    refused(t, await send(REGISTER, JSON.stringify(account()), { 'content-type': type }), 415, type)
  }
  const tricks = [
    'application/json\ta',
    'application/json a',
    'Application/JSON; x',
    ' application/json ;charset=x',
    'application/json, text/plain',
  ]
  for (const type of tricks) {
    const answer = await send(REGISTER, JSON.stringify({ ...account(), role: 'ADMIN' }), { 'content-type': type })
    t.ok([400, 415].includes(answer.status), `${JSON.stringify(type)}: ${answer.status}`)
    refused(t, answer, answer.status, type)
  }
})

t.test('a NUL or half a surrogate pair anywhere in a body: 400', async (t) => {
  for (const bad of ['\\u0000', '\\ud800', '\\udc00', '\\ud800x', '\\udfff\\ud800']) {
    const { email, password } = account()
    const bodies = [
      `{"email":"${bad}${email}","password":"${password}"}`,
      `{"email":"${email}","password":"${password}${bad}"}`,
      `{"email":"${email}","password":"${password}","name":"${bad}"}`,
      `{"email":"${email}","password":"${password}","${bad}":1}`,
    ]
    for (const body of bodies) refused(t, await send(REGISTER, body), 400, body)
    refused(t, await send(SIGN_IN, `{"email":"${person.email}","password":"${PASSWORD}${bad}"}`), 400, bad)
    refused(t, await send(GENERATE, `{"name":"a","permissions":["${bad}"]}`), 400, bad)
    refused(t, await send('/api/auth/refresh', `{"refreshToken":"${bad}"}`), 400, bad)
  }
})

t.test('e-mails that are none: 400', async (t) => {
  const emails = ['plain', '@example.com', 'a@', 'a@b', 'a@b.', 'a@@example.com', 'a b@example.com', 'a@exa mple.com']
  const more = [
    'a@example.com\r\nBcc: b@example.com',
    'a\u0007@example.com',
    `${'a'.repeat(65)}@example.com`,
    `a@${'b'.repeat(260)}.com`,
  ]
  for (const email of [...emails, ...more, 'a@example.com, b@example.com', 'A <a@example.com>']) {
    refused(t, await sendJson(REGISTER, { email, password: PASSWORD }), 400, email)
  }
})

t.test('passwords that are too short, too long or too easy: 400 (ASVS V6.2.1)', async (t) => {
  const { email } = account()
  for (const password of ['', 'a1b2c3d', 'x'.repeat(257), 'aaaaaaaaaaaa', 'gatehouse-2026', email]) {
    refused(t, await sendJson(REGISTER, { email, password }), 400, password)
  }
})

t.test('an e-mail that is taken: 409 that says no more, and nothing changes', async (t) => {
  const answer = await sendJson(REGISTER, {
    email: person.email.toUpperCase(),
    password: OTHER_PASSWORD,
    name: 'Eve',
  })
  refused(t, answer, 409, 'taken')
  for (const told of [person.id, person.email, 'Ada Example', 'exists', 'taken']) t.notMatch(answer.body, told)
})

t.test('bad paths and queries: the clear error, as a problem', async (t) => {
  const headers = owner
  const of = (path: string, more = {}) => rawRequest(server, path, { headers: { ...headers, ...more } })
  for (const path of ['/api/%zz', '/api/me/%', '/api/keys/%c0%af', '/api/keys/%ed%a0%80']) {
    refused(t, await of(path), 400, path)
    refused(t, await of(path, { accept: 'text/html' }), 400, `${path}, for a browser too`)
  }
  for (const path of [
    '/api/me?a=%00',
    '/api/me?%00=a',
    '/api/keys?a=b&a=%00',
    '/api/admin%00/users',
    '/api/none/%00',
  ]) {
    refused(t, await of(path), 400, path)
  }
  for (const id of ['%00', `${key.id}%00`, "'", 'null', '-1']) {
    refused(t, await rawRequest(server, `/api/keys/${id}`, { method: 'DELETE', headers }), 400, id)
  }
  refused(t, await rawRequest(server, '/api/grants/%00', { method: 'DELETE', headers }), 400, 'a client of NUL')
  refused(t, await rawRequest(server, `/api/keys/${'x'.repeat(5000)}`, { method: 'DELETE', headers }), 404, 'a long id')
  refused(t, await of(`/api/${'x/'.repeat(4000)}`), 404, 'a long path')
  t.equal((await of(`/api/${'x'.repeat(20_000)}`)).status, 431, 'one that is over the limit of Node')
})

t.test('none of this changed anything, or made the server fail', async (t) => {
  t.strictSame(await countRows(), before)
  t.strictSame(
    server.log.filter((line) => JSON.parse(line).level >= 50),
    [],
  )
  t.equal((await server.fetch('/api/me', { headers: owner })).status, 200)
  t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': key.apiKey } })).status, 200)
  t.equal((await server.post('/api/auth/refresh', { refreshToken: session.refreshToken })).status, 200)
  await signIn(server, person)
  t.equal((await server.post(SIGN_IN, { email: person.email, password: OTHER_PASSWORD })).status, 401)
})

t.test('of a member that is there twice, the last one is judged and taken', async (t) => {
  const { email, password } = account()
  const twice = await send(REGISTER, `{"email":"not one","password":"x","email":"${email}","password":"${password}"}`)
  t.equal(twice.status, 201)
  refused(t, await send(REGISTER, `{"email":"${email}","password":"${password}","password":"x"}`), 400, 'last is bad')
  t.equal((await server.post(SIGN_IN, { email, password })).status, 200)
})
