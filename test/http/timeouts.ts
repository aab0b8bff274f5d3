import t, { type Test } from 'tap'
import { startBare } from '../fixtures/bare-server.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { connectRaw, sendRaw, statusOf } from '../fixtures/raw-connection.ts'

const LONG = 600_000
const only = { headersTimeout: LONG, requestTimeout: LONG, keepAliveTimeout: LONG, idleTimeout: LONG }
const often = { checkingInterval: 50 }

const server = await startGatehouse(t, {
  limits: { ...only, ...often, headersTimeout: 300, requestTimeout: 600, keepAliveTimeout: 100 },
})

function isTold(t: Test, answer: string, status: number, name: string): void {
  t.equal(statusOf(answer), status, name)
  t.match(answer, /\r\nconnection: close\r\n/i)
  t.match(answer, /\r\ncontent-type: application\/problem\+json\r\n/)
  t.match(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))), { status, code: 'request_timeout' })
}

t.test('headers that do not come to an end: 408, and closed', async (t) => {
  const { url } = server
  const beginnings = {
    nothing: '',
    'a letter': 'G',
    'half a line': 'GET /api/me HT',
    'half a header': 'GET /api/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bea',
    'all but the end': 'POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n',
    'empty lines': '\r\n\r\n\r\n',
  }
  await Promise.all(
    Object.entries(beginnings).map(async ([name, bytes]) => isTold(t, await sendRaw(t, url, bytes), 408, name)),
  )

  const dripping = await connectRaw(t, url)
  dripping.send('GET / HTTP/1.1\r\nHost: x\r\n')
  const drip = setInterval(() => dripping.send('a: b\r\n'), 20)
  isTold(t, await dripping.closed(), 408, 'a header every now and then')
  clearInterval(drip)
})

t.test('a second request on a connection has no more time than the first', async (t) => {
  const { url } = await startBare(t, { ...only, ...often, headersTimeout: 300 })
  const connection = await connectRaw(t, url)
  connection.send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  await connection.received(/"status":"ok"/)
  connection.send('GET /healthz HTTP/1.1\r\nHo')
  t.match(await connection.closed(), /ok"\}HTTP\/1\.1 408 /)
})

t.test('a body that does not come to an end: 408, and closed, at the engine too', async (t) => {
  const { url, log } = server
  const json = 'Content-Type: application/json'
  const form = 'Content-Type: application/x-www-form-urlencoded'
  const routes = [
    ['POST /api/auth/register', json],
    ['POST /api/auth/login/jwt', json],
    ['POST /api/auth/refresh', json],
    ['POST /oauth/token', form],
    ['POST /oauth/introspect', form],
    ['POST /oauth/authorize', form],
    ['POST /oauth/userinfo', form],
    ['POST /setup', form],
    ['POST /interaction/x/login', form],
  ]
  const bodies = [
    'Content-Length: 1000\r\n\r\n{"a',
    'Transfer-Encoding: chunked\r\n\r\n2\r\n{"\r\n',
    'Content-Length: 1\r\n\r\n',
  ]
  await Promise.all(
    routes.flatMap(([route, type]) =>
      bodies.map(async (body) => {
        const answer = await sendRaw(t, url, `${route} HTTP/1.1\r\nHost: x\r\n${type}\r\n${body}`)
        isTold(t, answer, 408, `${route} ${body.split(':')[0]}`)
      }),
    ),
  )
  const failures = log.filter((line) => JSON.parse(line).level >= 50)
  t.strictSame(failures, [], 'which is no failure of ours')
})

t.test('a connection without a next request is closed', async (t) => {
  const { url } = server
  for (const path of ['/healthz', '/oauth/jwks']) {
    const answer = await sendRaw(t, url, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    t.equal(statusOf(answer), 200, path)
    t.match(answer, /\r\nconnection: keep-alive\r\n/i)
  }
})

t.test('who does not read its answers is cut off', async (t) => {
  const { url, app } = await startBare(t, { ...only, idleTimeout: 500 })
  const connections = () => new Promise<number>((tell) => app.server.getConnections((_, count) => tell(count)))
  const deaf = await connectRaw(t, url)
  deaf.socket.pause()
  const request = 'GET /large HTTP/1.1\r\nHost: x\r\n\r\n'
  // More than the buffers of both sides hold, so that answers wait in ours.
  for (let sent = 0; sent < 20_000; sent += 1_000) deaf.send(request.repeat(1_000))
  t.equal(await connections(), 1)
  t.equal(await eventually(connections, (count) => count === 0, 20_000), 0)
})

t.test('what is half sent does not hold up a server that closes', async (t) => {
  const { url, app } = await startBare(t, { ...only, closingTimeout: 300 })
  const slow = await connectRaw(t, url)
  slow.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n')
  const late = new Promise((resolve) => setTimeout(() => resolve('never'), 20_000).unref())
  t.equal(await Promise.race([app.close().then(() => 'closed'), late]), 'closed')
})
