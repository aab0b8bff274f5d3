import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { connectRaw, sendRaw, statusOf } from '../fixtures/raw-connection.ts'

const server = await startGatehouse(t)
const { url } = server
const get = (headers: string, path = '/healthz') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`
const post = (headers: string, body = '') => `POST /oauth/token HTTP/1.1\r\nHost: x\r\n${headers}\r\n${body}`

/** What nobody can tell where it ends, or what it means (RFC 9112 2.2, 3, 5, 6.3). */
const MALFORMED: Record<string, string> = {
  'no request': 'hello\r\n\r\n',
  'a TLS handshake': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'an unknown version': 'GET / HTTP/3.7\r\nHost: x\r\n\r\n',
  'an unknown method': 'FROBNICATE / HTTP/1.1\r\nHost: x\r\n\r\n',
  'a method in lower case': 'get / HTTP/1.1\r\nHost: x\r\n\r\n',
  'no host': 'GET / HTTP/1.1\r\n\r\n',
  'a target with a space': get('', '/heal thz'),
  'a NUL in the target': get('', '/\0'),
  'a NUL in a header': get('a: \0\r\n'),
  'a bare CR in a header': get('a: b\rc: d\r\n'),
  'a folded header': get('a: b\r\n c\r\n'),
  'a space before the colon': get('a : b\r\n'),
  'a header without a name': get(': b\r\n'),
  'a header without a colon': get('a\r\n'),
  'two lengths': post('Content-Length: 3\r\nContent-Length: 4\r\n', 'a=b'),
  'the same length twice': post('Content-Length: 3\r\nContent-Length: 3\r\n', 'a=b'),
  'a length and chunks': post('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'chunks and a length': post('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', '0\r\n\r\n'),
  'chunks that are not last': post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
  'an unknown coding': post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'),
  'a negative length': post('Content-Length: -1\r\n', 'a'),
  'a length with a sign': post('Content-Length: +3\r\n', 'a=b'),
  'a length in hexadecimal': post('Content-Length: 0x3\r\n', 'a=b'),
  'a length beyond any': post(`Content-Length: ${'9'.repeat(30)}\r\n`, 'a=b'),
  'a list of lengths': post('Content-Length: 3, 3\r\n', 'a=b'),
  'a chunk without a size': post('Transfer-Encoding: chunked\r\n', 'x\r\n'),
  'a chunk beyond any': post('Transfer-Encoding: chunked\r\n', 'fffffffffffffffff\r\n'),
  'a chunk longer than its size': post('Transfer-Encoding: chunked\r\n', '1\r\nabc\r\n0\r\n\r\n'),
}

t.test('malformed: 400, and closed (RFC 9112 2.2)', async (t) => {
  for (const [name, bytes] of Object.entries(MALFORMED)) {
    const answer = await sendRaw(t, url, bytes)
    t.equal(statusOf(answer), 400, name)
    t.match(answer, /\r\nconnection: close\r\n/i, name)
    t.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, 'one answer')
  }
})

t.test('the answer has the headers of every other, and tells no more', async (t) => {
  const answer = await sendRaw(t, url, get('a : b\r\n'))
  t.match(answer, /\r\nx-content-type-options: nosniff\r\n/)
  t.match(answer, /\r\ncontent-security-policy: default-src 'none'/)
  t.strictSame(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))), {
    type: 'about:blank',
    title: 'Bad Request',
    status: 400,
    detail: 'The request is malformed.',
    code: 'invalid_request',
  })
})

t.test('headers over 16 KiB: 431; just under, they are read', async (t) => {
  const frame = get('a: \r\n').length
  for (const [length, status] of [
    [16 * 1024 - frame, 200],
    [16 * 1024, 431],
    [1024 * 1024, 431],
  ] as const) {
    const connection = await connectRaw(t, url)
    connection.send(get(`a: ${'b'.repeat(length)}\r\n`))
    t.equal(statusOf(await connection.received(/\r\n\r\n/)), status, `${length} in one`)
    connection.socket.destroy()
  }
  t.equal(statusOf(await sendRaw(t, url, get('a: b\r\n'.repeat(4_000)))), 431, 'in many')
  t.equal(statusOf(await sendRaw(t, url, get('', `/${'a'.repeat(17_000)}`))), 431, 'in the target')
  t.equal(
    statusOf(await sendRaw(t, url, post('Transfer-Encoding: chunked\r\n', `1;${'a'.repeat(20_000)}\r\n`))),
    413,
    'in a chunk',
  )
})

t.test('a body over 64 KiB is not read, at the engine neither: 413, and closed', async (t) => {
  const form = 'Content-Type: application/x-www-form-urlencoded\r\n'
  for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke', '/oauth/authorize', '/setup']) {
    const answer = await sendRaw(t, url, `POST ${path} HTTP/1.1\r\nHost: x\r\n${form}Content-Length: 65537\r\n\r\n`)
    t.equal(statusOf(answer), 413, path)
    t.match(answer, /\r\nconnection: close\r\n/i)
  }
})

t.test('an answer is never taken for that of another request', async (t) => {
  const { post: postJson } = server
  t.equal((await postJson('/api/auth/login/jwt', { email: 'a@example.com', password: 'wrong wrong' })).status, 401)
  const body = JSON.stringify({ email: 'a@example.com', password: 'wrong wrong' })
  const signIn = `POST /api/auth/login/jwt HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  t.notMatch(await sendRaw(t, url, `${signIn}garbage\r\n\r\n`), /HTTP\/1\.1 400 /, 'while the first is being answered')
  const connection = await connectRaw(t, url)
  connection.send(get(''))
  await connection.received(/"status":"ok"/)
  connection.send('garbage\r\n\r\n')
  t.match(await connection.closed(), /ok"\}HTTP\/1\.1 400 /, 'once it was')
})

t.test('who goes away while sending a body is no failure of ours', async (t) => {
  const count = (isIt: (line: string) => boolean) => async () => server.log.filter(isIt).length
  const come = count((line) => line.includes('incoming request'))
  const gone = count((line) => JSON.parse(line).level > 20 && line.includes('ECONNRESET'))
  for (const path of ['/api/auth/login/jwt', '/oauth/token', '/oauth/authorize', '/setup']) {
    const type = path.startsWith('/api') ? 'application/json' : 'application/x-www-form-urlencoded'
    const before = { come: await come(), gone: await gone() }
    const connection = await connectRaw(t, url)
    connection.send(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 100\r\n\r\n{"a`)
    await eventually(come, (count) => count > before.come, 20_000)
    connection.socket.resetAndDestroy()
    t.ok((await eventually(gone, (count) => count > before.gone, 20_000)) > before.gone, path)
  }
})

t.test('what a file cannot give is refused (RFC 9110 14.2, 13.1.1)', async (t) => {
  const ask = (headers: Record<string, string>) => server.fetch('/assets/app.js', { headers })
  t.equal((await ask({ range: 'bytes=0-9' })).status, 206)
  t.equal((await ask({ range: 'bytes=9999999-' })).status, 416)
  t.equal((await ask({ 'if-match': '"x"' })).status, 412)
})

t.test('none of this made the server fail', async (t) => {
  const failures = server.log.filter((line) => JSON.parse(line).level >= 50)
  t.strictSame(failures, [])
  t.equal((await server.fetch('/healthz')).status, 200)
})
