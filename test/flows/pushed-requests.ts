import { sql } from 'drizzle-orm'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { eventsOf } from '../fixtures/audit.ts'
import { Browser, type Page } from '../fixtures/browser.ts'
import {
  IN_ORDER,
  makeClient,
  passPages,
  REDIRECT_URI,
  type RelyingParty,
  redeemAfterPages,
} from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { basic, clientPost, withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const beside = await startGatehouse(t, { beside: server })
const person = await makePerson(server)
const client = await makeClient(server)

const push = (by: Pick<RelyingParty, 'id' | 'secret'>, more: Record<string, string> = {}) =>
  clientPost(server, '/oauth/par', by, { ...IN_ORDER, client_id: by.id, ...more })

async function pushed(by: RelyingParty = client, more: Record<string, string> = {}): Promise<string> {
  const response = await push(by, more)
  const { request_uri } = (await response.json()) as { request_uri?: string }
  if (request_uri === undefined) throw new Error(`not pushed: ${response.status}`)
  return request_uri
}

const open = (browser: Browser, request_uri: string, by: RelyingParty = client): Promise<Page> =>
  browser.goto(withQuery('/oauth/authorize', { client_id: by.id, request_uri }))

const refused = (t: Test, page: Page, error: string) => {
  t.notMatch(page.url, /[?&]code=/)
  t.match(`${page.url} ${page.html}`, error)
}

t.test('a client pushes its request and gets its code and tokens (RFC 9126 2, 4)', async (t) => {
  const { configuration } = client
  const verifier = openid.randomPKCECodeVerifier()
  const url = await openid.buildAuthorizationUrlWithPAR(configuration, {
    ...IN_ORDER,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
  })
  t.strictSame([...url.searchParams.keys()].sort(), ['client_id', 'request_uri'], 'nothing else is in the browser')
  const tokens = await redeemAfterPages(server, configuration, { url, verifier, person })
  t.equal((await server.fetch('/api/me', { headers: bearer(tokens.access_token) })).status, 200)

  const response = await push(client)
  t.equal(response.status, 201)
  t.match(response.headers.get('cache-control'), /no-store/)
  t.match(await response.json(), { request_uri: /^urn:ietf:params:oauth:request_uri:[\w-]{43,}$/, expires_in: 60 })
})

t.test('a page may be reloaded and opened twice; one authorization comes of it (RFC 9126 4, 7.3)', async (t) => {
  const request_uri = await pushed()
  const [one, two] = [new Browser(server), new Browser(server)]
  await open(one, request_uri)
  const again = await open(one, request_uri)
  const other = await open(two, request_uri)
  const first = await passPages(one, again, person)
  t.match(first.url, `${REDIRECT_URI}?code=`, 'after a reload')
  refused(t, await passPages(two, other, person), 'invalid_request_uri')
  refused(t, await open(one, request_uri), 'invalid_request_uri')
  refused(t, await open(new Browser(server), request_uri), 'invalid_request_uri')
})

t.test('of two pages that are answered at once, at two processes, one gets a code (RFC 9126 7.3)', async (t) => {
  for (let round = 0; round < 5; round += 1) {
    const request_uri = await pushed(client, { scope: 'openid' })
    const ready = await Promise.all(
      [server, beside].map(async (at) => {
        const browser = new Browser(server)
        const page = await open(browser, request_uri)
        const consent = await browser.submit(page, page.form('/login'), {
          email: person.email,
          password: person.password,
        })
        const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' }
        const { action } = consent.form('/consent')
        const answered = await browser.request(action, { method: 'POST', headers, body: new URLSearchParams() })
        const { pathname } = new URL(answered.headers.get('location') ?? '')
        return () => browser.request(new URL(pathname, at.url))
      }),
    )
    const ends = await Promise.all(ready.map(async (resume) => (await resume()).headers.get('location') ?? ''))
    t.equal(ends.filter((end) => end.includes('code=')).length, 1, `round ${round}`)
    t.equal(ends.filter((end) => end.includes('invalid_request_uri')).length, 1)
  }
})

t.test('a person may take longer than the request is good for, and no second one comes of it', async (t) => {
  const request_uri = await pushed()
  const [one, two] = [new Browser(server), new Browser(server)]
  const [page, other] = [await open(one, request_uri), await open(two, request_uri)]
  await server.db.execute(sql`update provider_models set payload =
    jsonb_set(payload::jsonb, '{exp}', to_jsonb((payload ->> 'exp')::int - 120))::json
    where model = 'PushedAuthorizationRequest' and consumed_at is null`)
  const kept = await server.db.execute<{
    kept: boolean
  }>(sql`select bool_and(expires_at > now() + interval '50 minutes')
    as kept from provider_models where model = 'PushedAuthorizationRequest' and consumed_at is null
    and exists (select 1 from provider_models i where i.model = 'Interaction' and i.payload ->> 'parJti' = provider_models.id)`)
  t.strictSame([...kept], [{ kept: true }], 'it is kept for as long as pages that came of it')
  refused(t, await open(new Browser(server), request_uri), 'invalid_request_uri')
  t.match((await passPages(one, page, person)).url, 'code=')
  refused(t, await passPages(two, other, person), 'invalid_request_uri')
})

t.test('a request that is gone from the database gives no code', async (t) => {
  const browser = new Browser(server)
  const page = await open(browser, await pushed())
  await server.db.execute(sql`delete from provider_models where model = 'PushedAuthorizationRequest'`)
  refused(t, await passPages(browser, page, person), 'invalid_request_uri')
})

t.test("a request_uri is its own client's (RFC 9126 2.2, 7.1)", async (t) => {
  const other = await makeClient(server)
  const request_uri = await pushed()
  refused(t, await open(new Browser(server), request_uri, other), 'invalid_request')
  refused(t, await open(new Browser(server), `${request_uri.slice(0, -1)}!`), 'invalid_request_uri')
  refused(t, await open(new Browser(server), 'urn:ietf:params:oauth:request_uri:'), 'invalid_request_uri')
  const rows = await server.db.execute<{ id: string }>(
    sql`select id from provider_models where model = 'PushedAuthorizationRequest'`,
  )
  for (const { id } of rows) {
    refused(t, await open(new Browser(server), `urn:ietf:params:oauth:request_uri:${id}`), 'invalid_request_uri')
  }
})

t.test('nothing in the database leads to a pushed request (ASVS V11.4)', async (t) => {
  const request_uri = await pushed()
  await open(new Browser(server), request_uri)
  const value = request_uri.slice(request_uri.lastIndexOf(':') + 1)
  const rows = await server.db.execute<{ found: number }>(
    sql`select count(*)::int as found from provider_models where payload::text like ${`%${value}%`}`,
  )
  t.strictSame([...rows], [{ found: 0 }])
})

t.test('what is pushed is what counts, whatever the browser adds (RFC 9126 4, RFC 9101 6.3)', async (t) => {
  const request_uri = await pushed(client, { scope: 'openid' })
  const browser = new Browser(server)
  const added = { scope: 'openid email profile:read', state: 'evil', redirect_uri: 'https://evil.example/' }
  const page = await browser.goto(withQuery('/oauth/authorize', { client_id: client.id, request_uri, ...added }))
  const end = await passPages(browser, page, person)
  t.match(end.url, `${REDIRECT_URI}?code=`)
  t.equal(new URL(end.url).searchParams.get('state'), 's-1')
})

t.test("pushing takes the client's authentication (RFC 9126 2, 2.3)", async (t) => {
  const wrong = await push({ id: client.id, secret: 'wrong' })
  t.equal(wrong.status, 401)
  t.match(await wrong.json(), { error: 'invalid_client' })
  t.equal((await push({ id: client.id, secret: undefined })).status, 401)
  t.equal((await push({ id: 'client_unknown', secret: 'x' })).status, 401)
  const spa = await makeClient(server, { type: 'spa' })
  t.equal((await push(spa)).status, 201, 'a public client says who it is')
})

t.test('a request that would be refused is refused when it is pushed (RFC 9126 2.1, 2.3)', async (t) => {
  for (const [more, error] of [
    [{ redirect_uri: 'https://evil.example/callback' }, 'invalid_request'],
    [{ scope: 'openid nonsense' }, 'invalid_scope'],
    [{ scope: 'keys:write' }, 'invalid_scope'],
    [{ response_type: 'token' }, 'unsupported_response_type'],
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ code_challenge: '' }, 'invalid_request'],
    [{ resource: 'https://unknown.example/' }, 'invalid_target'],
    [{ prompt: 'none login' }, 'invalid_request'],
    [{ request_uri: await pushed() }, 'request_uri_not_supported'],
  ] as const) {
    const response = await push(client, more)
    t.equal(response.status, 400, JSON.stringify(more))
    t.match(await response.json(), { error })
  }
  for (const method of ['GET', 'PUT', 'DELETE']) t.equal((await server.fetch('/oauth/par', { method })).status, 404)
})

t.test('a client that must push is refused when it does not (RFC 9126 5, 6)', async (t) => {
  const strict = await makeClient(server, { requirePushedAuthorizationRequests: true })
  const direct = await new Browser(server).goto(withQuery('/oauth/authorize', { ...IN_ORDER, client_id: strict.id }))
  t.match(direct.url, `${REDIRECT_URI}?error=invalid_request`)
  const browser = new Browser(server)
  t.match((await passPages(browser, await open(browser, await pushed(strict), strict), person)).url, 'code=')
})

t.test('what was pushed and refused is in the audit, by whom (ASVS V16.3)', async (t) => {
  const events = await eventsOf(server.db, () => push(client), 1)
  t.match(events, [{ type: 'authorization.push', outcome: 'success', clientId: client.id }])
  const failed = await eventsOf(server.db, () => push(client, { scope: 'nonsense' }), 1)
  t.match(failed, [
    { type: 'authorization.push', outcome: 'failure', clientId: client.id, details: { reason: 'invalid_scope' } },
  ])
})

t.test("guessing a client's secret here counts like anywhere (RFC 6749 2.3.1)", async (t) => {
  const { id } = await makeClient(server)
  const statuses: number[] = []
  for (let n = 0; n < 32; n += 1) {
    const headers = basic({ id, secret: `guess ${n}` })
    const sent = { method: 'POST', body: new URLSearchParams({ ...IN_ORDER, client_id: id }), headers }
    statuses.push((await server.fetch('/oauth/par', sent)).status)
  }
  t.strictSame([statuses[0], statuses.at(-1)], [401, 429])
})
