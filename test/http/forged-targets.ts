import t from 'tap'
import { authorizationRequest, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { connectRaw, statusOf } from '../fixtures/raw-connection.ts'

const server = await startGatehouse(t)
const client = await makeClient(server)
const user = bearer((await signIn(server, await makePerson(server))).accessToken)
const { host } = new URL(server.url)

/** The answer to a target as it is sent, without what differs each time. */
async function ask(target: string, headers: Record<string, string | undefined> = {}, method = 'GET'): Promise<string> {
  const sent = { host, accept: 'text/html', ...headers, connection: 'close' }
  const lines = Object.entries(sent).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\r\n`]))
  const connection = await connectRaw(t, server.url)
  connection.send(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`)
  const answer = await connection.closed()
  return answer.replace(/^date: .*\r\n/im, '').replace(/req-[\w]+/g, 'req')
}

/** What a proxy might believe of a request, and we do not: nobody vouches for it. */
const FORGED: Record<string, string>[] = [
  { host: 'evil.example' },
  { host: 'evil.example:x@localhost' },
  { host: '127.0.0.1:1' },
  { host: '' },
  { 'x-forwarded-host': 'evil.example' },
  { 'x-forwarded-proto': 'https' },
  { 'x-forwarded-proto': 'javascript' },
  { 'x-forwarded-port': '1' },
  { 'x-forwarded-prefix': '/evil' },
  { 'x-forwarded-for': '127.0.0.1' },
  { forwarded: 'for=127.0.0.1;host=evil.example;proto=https' },
  { 'x-original-url': '/api/admin/users', 'x-rewrite-url': '/api/admin/users' },
  { 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE' },
]

t.test('forged Host and X-Forwarded-* change nothing of any page (RFC 9700 4.13, CVE-2026-3635, -27959)', async (t) => {
  const { pathname } = (await authorizationRequest(client)).url
  const unknown = `${pathname}?client_id=unknown&response_type=code`
  const pages = ['/', '/healthz', '/oauth/jwks', '/api/auth/comparison', '/assets/app.js', '/none', '/api/me', unknown]
  const metadata = ['openid-configuration', 'oauth-authorization-server', 'oauth-protected-resource/api']
  for (const page of [...pages, '/oauth/logout/success', ...metadata.map((name) => `/.well-known/${name}`)]) {
    const expected = await ask(page)
    t.ok(statusOf(expected) > 0, page)
    for (const forged of FORGED) t.equal(await ask(page, forged), expected, `${page} ${JSON.stringify(forged)}`)
  }
})

t.test('nor of where an authorization request leads', async (t) => {
  const { url } = await authorizationRequest(client)
  for (const forged of FORGED) {
    const answer = await ask(url.pathname + url.search, forged)
    t.equal(statusOf(answer), 303)
    t.match(answer, /\r\nlocation: \/interaction\/[\w-]+\r\n/i)
    t.notMatch(answer, /evil|domain=/i)
    t.notMatch(answer, /; secure/i, 'as the issuer is, which is http here')
  }
})

const PROTECTED = ['/api/me', '/api/keys', '/api/grants', '/api/protected/any', '/api/admin/users']

/** Ways in which one reader of a path may see another than the next. */
const spellingsOf = (path: string) => [
  ...[`/${path}`, `//x${path}`, `//evil.example${path}`, `http://evil.example${path}`, `https://${host}${path}`],
  ...[path.replace('/api', '/%61pi'), path.replace('/api', '/a%70i'), path.replace('/api', '/%2561pi')],
  ...[
    path.replace('/api/', '/api/../api/'),
    path.replace('/api/', '/api/..;/api/'),
    path.replace('/api/', '/api/%2e%2e/api/'),
  ],
  ...[
    path.replace('/api', '/API'),
    path.toUpperCase(),
    path.replace('/api/', '/api;/'),
    path.replace('/api/', '/api;x=y/'),
  ],
  ...[
    path.replace('/api/', '/api//'),
    path.replace('/api/', '/api/./'),
    path.replace('/api/', '/api%2f'),
    path.replace('/api/', '/api\\'),
  ],
  ...[
    `${path};x`,
    `${path};/healthz`,
    `${path}%3b`,
    `${path}/`,
    `${path}/.`,
    `${path}/..${path}`,
    `${path}%20`,
    `${path}%09`,
  ],
  ...[`${path}?x=/healthz`, `${path}#/healthz`, `${path}%23`, `${path}%3f`, `${path}?`, `${path}.json`, `${path}%00`],
  ...[
    `/healthz/..${path}`,
    `/healthz/..;${path}`,
    `/healthz/%2e%2e${path}`,
    `/assets/..${path}`,
    `/./${path}`,
    `/.${path}`,
  ],
  ...[path.replace('/api', '/\uff41pi'), path.replace('/api', '/api\u0000'), path.slice(1), `x${path}`],
]

t.test(
  'no spelling of a path leads to a route without its access rule (CVE-2026-2880, -33804, -22037, -33807)',
  async (t) => {
    for (const path of PROTECTED) {
      for (const spelling of spellingsOf(path)) {
        const anonymous = statusOf(await ask(spelling))
        t.ok([400, 401, 404].includes(anonymous), `${spelling}, anonymous: ${anonymous}`)
        const as = statusOf(await ask(spelling, user))
        if (path === '/api/admin/users') t.ok([400, 403, 404].includes(as), `${spelling}, a user: ${as}`)
      }
    }
  },
)

t.test('nor does a method', async (t) => {
  for (const path of PROTECTED) {
    for (const method of ['HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'QUERY']) {
      const status = statusOf(await ask(path, { 'x-http-method-override': 'GET', 'content-length': '0' }, method))
      t.ok([400, 401, 404].includes(status), `${method} ${path}: ${status}`)
    }
  }
})

t.test('the audit names who connected, whatever X-Forwarded-For says', async (t) => {
  const forged = { 'x-forwarded-for': '203.0.113.7', forwarded: 'for=203.0.113.7', 'x-real-ip': '203.0.113.7' }
  await ask('/api/admin/users', { ...user, ...forged })
  t.notMatch(server.log.join(), /203\.0\.113\.7/)
})
