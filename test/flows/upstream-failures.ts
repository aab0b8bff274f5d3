import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { upstreams } from '../../src/upstreams/schema.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { type OddProvider, startOddProvider } from '../fixtures/odd-provider.ts'

const server = await startGatehouse(t)
const client = await makeClient(server)
let made = 0

async function provide(t: Test): Promise<{ path: string; provider: OddProvider }> {
  made += 1
  // There may be so many, and no more.
  await server.db.delete(upstreams)
  return { path: `/upstreams/odd-${made}`, provider: await startOddProvider(t, server, `odd-${made}`) }
}

/** Leaves for the provider and comes back with a code. */
async function thereAndBack(path: string, provider: OddProvider) {
  const browser = new Browser(server)
  const away = await browser.goto(path)
  if (away.url.startsWith(server.url)) return away
  const { searchParams } = new URL(away.url)
  provider.claims = { nonce: searchParams.get('nonce') }
  const query = new URLSearchParams({ code: 'c', state: searchParams.get('state') ?? '' })
  return browser.goto(`${path}/callback?${query}`)
}

t.test('a provider that is away, or answers something else, is told on a plain page', async (t) => {
  const json = (response: ServerResponse, status: number, body: string) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  const answers = {
    'an error of its own': (response: ServerResponse) => json(response, 500, '{"error":"server_error"}'),
    'a page': (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hello'),
    'half an object': (response: ServerResponse) => json(response, 200, '{"a":'),
    'too much': (response: ServerResponse) => json(response, 200, `"${'x'.repeat(200_000)}"`),
    'the end of the connection': (response: ServerResponse) => response.destroy(),
    'a redirect': (response: ServerResponse) => response.writeHead(307, { location: `${server.url}/healthz` }).end(),
  }
  for (const where of ['/.well-known/openid-configuration', '/token', '/jwks']) {
    for (const [name, answer] of Object.entries(answers)) {
      const { path, provider } = await provide(t)
      provider.instead.set(where, (_request, response) => answer(response))
      const page = await thereAndBack(path, provider)
      t.equal(page.status, 502, `${name} at ${where}`)
      t.match(page.html, /Provider odd-\d+ does not answer as it should/)
    }
  }
})

t.test('while it is away all else goes on, and so does it when it is back', async (t) => {
  const { path, provider } = await provide(t)
  provider.instead.set('/.well-known/openid-configuration', (_request, response) => response.destroy())
  const browser = new Browser(server)
  t.equal((await browser.goto(path)).status, 502)
  t.match((await browser.goto((await authorizationRequest(client)).url.href)).html, /name="password"/)
  provider.instead.clear()
  t.match((await thereAndBack(path, provider)).url, /create-account$/)
})

t.test('metadata that has come to be of another issuer is not believed (OpenID Connect Discovery 4.3)', async (t) => {
  const { path, provider } = await provide(t)
  for (const issuer of ['https://evil.example', `${provider.issuer}/`, undefined]) {
    provider.metadata = { issuer }
    t.equal((await thereAndBack(path, provider)).status, 502, `${issuer}`)
  }
  t.notOk(provider.asked.some(({ what }) => what.startsWith('POST')))
})

t.test('what metadata names elsewhere is asked at public addresses alone (CWE-918)', async (t) => {
  let hits = 0
  const inside = createServer((_request, response) => {
    hits += 1
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(inside, 'listening')
  t.teardown(() => inside.close().closeAllConnections())
  const url = `http://127.0.0.1:${(inside.address() as { port: number }).port}/`
  for (const name of ['token_endpoint', 'jwks_uri']) {
    const { path, provider } = await provide(t)
    provider.metadata = { [name]: url }
    t.equal((await thereAndBack(path, provider)).status, 502, name)
  }
  const { path, provider } = await provide(t)
  provider.metadata = { require_pushed_authorization_requests: true, pushed_authorization_request_endpoint: url }
  t.equal((await thereAndBack(path, provider)).status, 502)
  t.equal(hits, 0)
})

t.test('no other site begins a sign-in, and nobody one at a provider that is not there', async (t) => {
  const { path } = await provide(t)
  const { url } = await authorizationRequest(client)
  const browser = new Browser(server)
  const interaction = new URL((await browser.goto(url.href)).url).pathname
  for (const from of [path, `${interaction}${path}`]) {
    const headers = { 'sec-fetch-site': 'cross-site' }
    t.equal((await browser.request(from, { headers })).status, 403, from)
    t.equal((await browser.request(from, { headers: { 'sec-fetch-site': 'same-origin' } })).status, 303)
  }
  t.equal((await browser.goto('/upstreams/none')).status, 404)
  t.equal((await browser.goto(`${interaction}/upstreams/none`)).status, 404)
  t.equal((await new Browser(server).goto(`${interaction}${path}`)).status, 400, 'nor one of another browser')
  t.equal((await browser.goto(`/upstreams/none/callback?code=c&state=${'s'.repeat(43)}`)).status, 404)
})

t.test('a network begins no more than so many, and guesses no more (ASVS V6.3.1)', async (t) => {
  const limited = await startGatehouse(t)
  await startOddProvider(t, limited, 'odd')
  const guess = async () => (await limited.fetch(`/upstreams/odd/callback?code=c&state=${'s'.repeat(43)}`)).status
  const first = await Promise.all(Array.from({ length: 119 }, guess))
  t.ok(first.every((status) => status === 400))
  t.equal((await limited.fetch('/upstreams/odd')).status, 303)
  t.equal(await guess(), 429)
  t.equal((await limited.fetch('/upstreams/odd')).status, 429)
})
