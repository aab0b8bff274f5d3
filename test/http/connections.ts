import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import t, { type Test } from 'tap'
import { boundConnections } from '../../src/http/connections.ts'
import { startBare } from '../fixtures/bare-server.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { connectRaw, type RawConnection } from '../fixtures/raw-connection.ts'

const REQUEST = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'

/** A server with bounds; every address of the tests is one of the loopback network. */
async function startBounded(t: Test, most: number, mostOfNetwork: number, unbounded: string[]) {
  const server: Server = createServer((_request, response) => response.end('served'))
  let closed = 0
  boundConnections(server, { most, mostOfNetwork }, unbounded, () => {
    closed += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  return { url, closed: () => closed, open: (from: string) => connectRaw(t, url, { from }) }
}

async function isServed(connection: RawConnection): Promise<boolean> {
  connection.send(REQUEST)
  return connection.received(/served/).then(
    () => true,
    () => false,
  )
}

t.test('of one address no more than its share; others go on', async (t) => {
  const { open, closed } = await startBounded(t, 100, 3, [])
  const first = [await open('127.0.0.2'), await open('127.0.0.2'), await open('127.0.0.2')]
  const over = await open('127.0.0.2')
  t.equal(await over.closed(), '')
  t.equal(closed(), 1)
  t.ok(await isServed(await open('127.0.0.3')))
  for (const connection of first) t.ok(await isServed(connection), 'those that were there stay')

  first[0]?.socket.destroy()
  const again = async () => isServed(await open('127.0.0.2'))
  t.ok(await eventually(again, (served) => served, 20_000), 'one that went makes room')
})

t.test('a proxy has as many as it likes, by address, network and name', async (t) => {
  for (const unbounded of ['127.0.0.2', '127.0.0.0/30', 'loopback']) {
    const { open } = await startBounded(t, 100, 1, [unbounded, '10.0.0.0/8', '::1', 'uniquelocal', 'linklocal'])
    await open('127.0.0.2')
    t.ok(await isServed(await open('127.0.0.2')), unbounded)
  }
  const { open } = await startBounded(t, 100, 1, ['127.0.0.0/30'])
  await open('127.0.0.4')
  t.notOk(await isServed(await open('127.0.0.4')), 'and no other')
})

t.test('no more than so many in all', async (t) => {
  const { open, closed } = await startBounded(t, 2, 100, ['loopback'])
  const first = [await open('127.0.0.2'), await open('127.0.0.3')]
  t.notOk(await isServed(await open('127.0.0.4')))
  t.equal(closed(), 1)
  for (const connection of first) t.ok(await isServed(connection))
})

t.test('a server keeps to it, and says so', async (t) => {
  const server = await startBare(t, { most: 1 })
  const held = await connectRaw(t, server.url)
  t.equal(await (await connectRaw(t, server.url)).closed(), '')
  t.match(server.log.filter((line) => JSON.parse(line).level === 40).join(), /too many connections/)
  held.send(REQUEST)
  t.match(await held.received(/ok/), /^HTTP\/1\.1 200 /)
})

t.test('200 slow connections: everybody else is answered, and the slow are dropped', async (t) => {
  const server = await startGatehouse(t, { limits: { headersTimeout: 5_000, checkingInterval: 100 } })
  const slow = await Promise.all(Array.from({ length: 200 }, () => connectRaw(t, server.url, { from: '127.0.0.2' })))
  for (const { send } of slow) send('POST /oauth/token HTTP/1.1\r\nHost: x\r\n')
  const statuses = await Promise.all(
    Array.from({ length: 50 }, async () => (await server.fetch('/.well-known/openid-configuration')).status),
  )
  t.strictSame(new Set(statuses), new Set([200]))
  for (const answer of await Promise.all(slow.map(({ closed }) => closed()))) t.match(answer, /^HTTP\/1\.1 408 /)
  t.equal((await server.fetch('/healthz')).status, 200)
})
