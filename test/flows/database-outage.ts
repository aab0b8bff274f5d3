import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, makeClient, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'
import { startProxy } from '../fixtures/proxy.ts'

const skip = process.env.TEST_DATABASE_URL ? false : 'the embedded database does not go away'

t.test(
  'a database that goes away gives 503 with Retry-After, and comes back without a restart',
  { skip },
  async (t) => {
    const straight = await startGatehouse(t)
    const proxy = await startProxy(new URL(straight.env.DATABASE_URL ?? ''))
    t.teardown(() => proxy.close())
    const server = await startGatehouse(t, { beside: straight, through: proxy.url })
    const person = await makePerson(server)
    const { apiKey } = await makeKey(server, person)
    const { accessToken } = await signIn(server, person)
    const client = await makeClient(straight, { type: 'machine' })
    const app = await makeClient(straight)
    const { url } = await authorizationRequest(app)
    const path = `${url.pathname}${url.search}`

    const requests: Record<string, { send: () => Promise<Response>; type: RegExp }> = {
      'an API key': {
        send: () => server.fetch('/api/keys', { headers: { 'x-api-key': apiKey } }),
        type: /problem\+json/,
      },
      'a list for a JWT': {
        send: () => server.fetch('/api/grants', { headers: bearer(accessToken) }),
        type: /problem\+json/,
      },
      'an opaque token': {
        send: () => server.fetch('/api/me', { headers: bearer('x'.repeat(43)) }),
        type: /problem\+json/,
      },
      'a sign-in': {
        send: () => server.post('/api/auth/login/jwt', { email: person.email, password: person.password }),
        type: /problem\+json/,
      },
      'a registration': {
        send: () => server.post('/api/auth/register', { email: 'new@example.com', password: 'a long engine song' }),
        type: /problem\+json/,
      },
      'the token endpoint': {
        send: () => tokenRequest(server, client, { grant_type: 'client_credentials' }),
        type: /^application\/json/,
      },
      'the authorization page': { send: () => server.fetch(path, { headers: { accept: 'text/html' } }), type: /html/ },
      readyz: { send: () => server.fetch('/readyz'), type: /json/ },
    }

    await proxy.cut()
    for (const [name, { send, type }] of Object.entries(requests)) {
      const response = await send()
      t.equal(response.status, 503, name)
      t.match(response.headers.get('retry-after'), /^\d+$/, `${name}: Retry-After`)
      t.match(response.headers.get('content-type'), type, `${name}: content type`)
      await response.text()
    }
    t.equal((await server.fetch('/healthz')).status, 200, 'the process itself is well')

    await proxy.restore()
    const deadline = performance.now() + 10_000
    let ready = false
    while (!ready && performance.now() < deadline) ready = (await server.fetch('/readyz')).ok
    t.ok(ready)
    t.equal((await server.fetch('/api/keys', { headers: { 'x-api-key': apiKey } })).status, 200)
    t.equal((await signIn(server, person)).expiresIn, 300)
    t.equal((await new Browser(server).goto(path)).status, 200)
  },
)
