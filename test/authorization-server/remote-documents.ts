import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest, type RequestListener } from 'node:http'
import t, { type Test } from 'tap'
import { createRemoteFetch } from '../../src/authorization-server/remote-documents.ts'

async function listen(t: Test, answer: RequestListener): Promise<{ url: string; port: number; hits: () => number }> {
  let hits = 0
  const server = createServer((request, response) => {
    hits += 1
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  const { port } = server.address() as { port: number }
  return { url: `http://127.0.0.1:${port}/`, port, hits: () => hits }
}

/** As it is in the server, but over http and to this one address, so that there is something to answer. */
const fetchHere = createRemoteFetch((address) => address === '127.0.0.1', httpRequest as never)

t.test('a document is fetched with how long it is fresh', async (t) => {
  const { url } = await listen(t, (_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', 'set-cookie': 'a=b' }).end('{"keys":[]}')
  })
  const response = await fetchHere(url, { headers: new Headers({ accept: 'application/json' }) } as never)
  t.equal(response.status, 200)
  t.same(await response.json(), { keys: [] })
  t.same([...response.headers.keys()], ['cache-control'])
})

t.test('a JWK Set with a key that anybody could sign for is not taken (RFC 8725 3.4, 3.5)', async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
  const serve = async (...keys: object[]) =>
    (await listen(t, (_request, response) => void response.end(JSON.stringify({ keys })))).url
  t.equal((await fetchHere(await serve(rsa, { kty: 'EC' }))).status, 200)
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  for (const weak of [{ ...rsa, e: 'AQ' }, { ...rsa, e: 'Aw' }, { ...rsa, e: '' }, small, { kty: 'RSA' }]) {
    await t.rejects(fetchHere(await serve(rsa, weak)), /a key is an RSA key/, JSON.stringify(weak))
  }
})

t.test('a redirect is not followed (CWE-918)', async (t) => {
  const inside = await listen(t, (_request, response) => void response.end('{"keys":[]}'))
  for (const status of [301, 302, 303, 307, 308]) {
    const { url } = await listen(t, (_request, response) => {
      response.writeHead(status, { location: inside.url, refresh: `0; url=${inside.url}` }).end()
    })
    t.equal((await fetchHere(url)).status, status)
  }
  t.equal(inside.hits(), 0)
})

t.test('nothing connects to an address that is not public, by whatever name (CWE-918)', async (t) => {
  const { port, hits } = await listen(t, (_request, response) => void response.end('{"keys":[]}'))
  const fetchPublic = createRemoteFetch(undefined, httpRequest as never)
  for (const host of ['127.0.0.1', 'localhost', '127.1', '2130706433', '[::ffff:127.0.0.1]', '[::1]', '0']) {
    await t.rejects(fetchPublic(`http://${host}:${port}/`), { message: 'an internal address' }, host)
  }
  const fetchTenOnly = createRemoteFetch((address) => address.startsWith('10.'), httpRequest as never)
  await t.rejects(fetchTenOnly(`http://localhost:${port}/`), { message: 'an internal address' }, 'what the DNS says')
  t.equal(hits(), 0)
})

t.test('a document is not fetched without TLS', async (t) => {
  const { url, hits } = await listen(t, (_request, response) => void response.end('{"keys":[]}'))
  await t.rejects(createRemoteFetch(() => true)(url), { code: 'ERR_INVALID_PROTOCOL' })
  t.equal(hits(), 0)
})

t.test('nor one without end, or with a large one', async (t) => {
  const large = await listen(t, (_request, response) => void response.end('x'.repeat(64 * 1024 + 1)))
  await t.rejects(fetchHere(large.url), { message: 'the document is too large' })
  const endless = await listen(t, (_request, response) => {
    const more = () => void (response.destroyed || response.write('x'.repeat(10_000), more))
    more()
  })
  await t.rejects(fetchHere(endless.url), { message: 'the document is too large' })
  const silent = [
    await listen(t, () => {}),
    await listen(t, (_request, response) => void response.writeHead(200).write('{')),
  ]
  for (const { url } of silent) {
    await t.rejects(fetchHere(url, { signal: AbortSignal.timeout(50) } as never))
  }
})
