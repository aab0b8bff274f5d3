import { sql } from 'drizzle-orm'
import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorize, makeClient, REDIRECT_URI, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { rawRequest, withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CORS_ORIGINS: new URL(REDIRECT_URI).origin } })
const person = await makePerson(server)
const client = await makeClient(server)

const GOOD: Readonly<Record<string, string>> = {
  client_id: client.id,
  redirect_uri: REDIRECT_URI,
  response_type: 'code',
  scope: 'openid',
  state: 's-1',
  code_challenge: 'c'.repeat(43),
  code_challenge_method: 'S256',
}

/** The path of a request that is in order but for what is changed; undefined leaves a parameter out. */
function path(changes: Record<string, string | undefined> = {}): string {
  const parameters = Object.entries({ ...GOOD, ...changes }).filter(([, value]) => value !== undefined)
  return withQuery('/oauth/authorize', Object.fromEntries(parameters) as Record<string, string>)
}

/** Where a request leads: to our pages, back to the client with an answer, or to a page that says what is wrong. */
async function outcome(response: Response) {
  const location = response.headers.get('location')
  if (location === null) return { to: 'page', error: /<code>(\w+)<\/code>/.exec(await response.text())?.[1] }
  const url = new URL(location, server.url)
  if (url.origin === server.url) return { to: url.pathname.replace(/[\w-]+$/, ':uid') }
  const answer = new URLSearchParams(url.hash === '' ? url.search : url.hash.slice(1))
  return { to: url.origin + url.pathname, ...Object.fromEntries(answer) }
}

const ask = async (changes: Record<string, string | undefined>) => outcome(await server.fetch(path(changes)))
const goesOn = { to: '/interaction/:uid' }
const refusedWith = (error: string) => ({ to: REDIRECT_URI, error, state: 's-1', iss: server.url })

t.test('PKCE is required, with S256 and nothing else (OAuth 2.1 4.1.1, ASVS V10.4.6)', async (t) => {
  t.match(await ask({}), goesOn)
  t.match(await ask({ code_challenge: 'c'.repeat(128) }), goesOn)
  const wrong = [
    { code_challenge: undefined, code_challenge_method: undefined },
    { code_challenge: undefined },
    { code_challenge: '' },
    { code_challenge_method: undefined },
    { code_challenge_method: 'plain' },
    { code_challenge_method: 's256' },
    { code_challenge: 'c'.repeat(42) },
    { code_challenge: 'c'.repeat(129) },
    { code_challenge: `${'c'.repeat(42)}+` },
  ]
  for (const changes of wrong) t.match(await ask(changes), refusedWith('invalid_request'), JSON.stringify(changes))
})

t.test('a code is redeemed with its verifier only (RFC 7636 4.6)', async (t) => {
  const browser = new Browser(server)
  const wrong = [
    [undefined, 'invalid_grant'],
    ['', 'invalid_grant'],
    ['v'.repeat(43), 'invalid_grant'],
    ['v'.repeat(42), 'invalid_request'],
    ['v'.repeat(129), 'invalid_request'],
  ] as const
  for (const [verifier, error] of wrong) {
    const { code } = await authorize(server, client, person, { browser })
    const parameters = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI }
    const response = await tokenRequest(server, client, {
      ...parameters,
      ...(verifier === undefined ? {} : { code_verifier: verifier }),
    })
    t.equal(response.status, 400)
    t.match(await response.json(), { error }, `${verifier?.length ?? 'no'} characters`)
  }
  const { code, verifier } = await authorize(server, client, person, { browser })
  for (const guess of [verifier.toUpperCase(), `${verifier}x`, verifier.slice(0, -1)]) {
    const response = await tokenRequest(server, client, {
      grant_type: 'authorization_code',
      code,
      code_verifier: guess,
    })
    t.match(await response.json(), { error: /^invalid_/ }, 'nor with one that is nearly it')
  }
})

t.test('no response type but code (RFC 9700 2.1.2, ASVS V10.6.1)', async (t) => {
  for (const type of ['token', 'id_token', 'id_token token', 'code token', 'code id_token', 'none', 'nonsense']) {
    const answer = await ask({ response_type: type, nonce: 'n' })
    t.match(answer, refusedWith('unsupported_response_type'), type)
    t.notMatch(answer, { access_token: String }, 'and no token')
  }
  t.match(await ask({ response_type: undefined }), refusedWith('invalid_request'))
})

t.test('a scope that is unknown, not registered or missing is refused (RFC 6749 3.3, ASVS V10.4.11)', async (t) => {
  const wrong = ['openid nonsense', 'openid keys:read', 'openid admin:read', 'openid\t', 'openid "quoted"', undefined]
  for (const scope of wrong) t.match(await ask({ scope }), refusedWith('invalid_scope'), scope ?? 'none')
  t.match(await ask({ scope: 'openid profile:read openid' }), goesOn, 'one that is named twice is one')
})

t.test('a resource that is unknown or no absolute URI is refused (RFC 8707 2)', async (t) => {
  for (const resource of ['https://api.example', '/api', 'api', `${server.url}/api#f`, `${server.url}/api/`]) {
    t.match(await ask({ scope: 'profile:read', resource }), refusedWith('invalid_target'), resource)
  }
  t.match(await ask({ scope: 'profile:read', resource: `${server.url}/api` }), goesOn)
})

t.test('a parameter that stands twice is refused, by GET and by POST (OAuth 2.1 3.1)', async (t) => {
  const twice = { ...GOOD, nonce: 'n', prompt: 'login', max_age: '10', response_mode: 'query', login_hint: 'a' }
  for (const [name, value] of Object.entries(twice)) {
    const query = new URLSearchParams({ ...GOOD, [name]: value })
    query.append(name, value)
    const got = await outcome(await server.fetch(`/oauth/authorize?${query}`))
    t.match(got, { to: /^page$|^https:\/\/app\.example\/callback$/, error: 'invalid_request' }, name)
    const posted = await server.fetch('/oauth/authorize', { method: 'POST', body: query })
    t.same(await outcome(await server.fetch(posted.headers.get('location') ?? '')), got, `${name} by POST`)
  }
})

t.test('a parameter nobody knows is ignored, and an empty one is absent (OAuth 2.1 3.1)', async (t) => {
  t.match(await ask({ foo: 'bar', 'a[b]': 'c', __proto__: 'x' }), goesOn)
  t.match(await ask({ state: '', nonce: '', max_age: '', prompt: '', resource: '', response_mode: '' }), goesOn)
})

t.test('the request may come by POST (OpenID Connect Core 3.1.2.1)', async (t) => {
  const body = new URLSearchParams({ ...GOOD, login_hint: 'a+b&c@example.com' })
  const page = await new Browser(server).goto('/oauth/authorize', { method: 'POST', body })
  t.equal(page.status, 200)
  t.match(page.html, /name="password"/)
  t.match(page.html, /value="a\+b&amp;c@example\.com"/, 'with its parameters as they were')
})

t.test('prompt=none shows no page (OpenID Connect Core 3.1.2.6)', async (t) => {
  t.match(await ask({ prompt: 'none' }), refusedWith('login_required'))
  t.match(await ask({ prompt: 'none login' }), refusedWith('invalid_request'))
  t.match(await ask({ prompt: 'nonsense' }), refusedWith('invalid_request'))

  const { browser } = await authorize(server, client, person, { parameters: { scope: 'openid' } })
  const silent = await outcome(await browser.request(path({ prompt: 'none' })))
  t.match(silent, { to: REDIRECT_URI, code: /./, iss: server.url }, 'signed in and allowed before: a code')
  const more = await outcome(await browser.request(path({ prompt: 'none', scope: 'openid email' })))
  t.match(more, refusedWith('consent_required'))
})

t.test('prompt=login and max_age ask for the password again (OpenID Connect Core 3.1.2.1)', async (t) => {
  const { browser } = await authorize(server, client, person, { parameters: { scope: 'openid' } })
  const asks = async (changes: Record<string, string>) =>
    /name="password"/.test((await browser.goto(path(changes))).html)

  t.equal(await asks({ prompt: 'login' }), true)
  t.equal(await asks({ max_age: '0' }), true)
  t.equal(await asks({ max_age: '100' }), false)
  for (const max_age of ['-1', 'x', '1.5']) t.match(await ask({ max_age }), refusedWith('invalid_request'))

  const hour = sql`interval '1 hour'`
  await server.db.execute(sql`update first_party_sessions set authenticated_at = authenticated_at - ${hour}`)
  await server.db.execute(sql`update provider_models set payload = jsonb_set(payload::jsonb, '{loginTs}',
    to_jsonb((payload ->> 'loginTs')::int - 3600))::json where model = 'Session'`)
  t.equal(await asks({ max_age: '100' }), true, 'an hour later')
  t.equal(await asks({ max_age: '7200' }), false)
  t.equal(await asks({}), false)
})

t.test('no other origin reads the authorization endpoint (RFC 9700 2.6, OAuth 2.1 3.1)', async (t) => {
  const origin = new URL(REDIRECT_URI).origin
  for (const method of ['GET', 'POST', 'OPTIONS']) {
    const headers = { origin, 'access-control-request-method': 'GET' }
    const response = await server.fetch(path(), { method, headers })
    t.equal(response.headers.get('access-control-allow-origin'), null, method)
  }
})

t.test('a NUL in a parameter is refused, never a failure of ours (ASVS V2.2.1)', async (t) => {
  const names = [
    ...Object.keys(GOOD),
    'nonce',
    'resource',
    'prompt',
    'max_age',
    'id_token_hint',
    'claims',
    'acr_values',
  ]
  for (const name of names) t.equal((await server.fetch(path({ [name]: 'a\0' }))).status, 400, name)
  for (const query of ['state=%00', '%00=a', 'a=%00%00']) {
    t.equal((await server.fetch(`${path()}&${query}`)).status, 400, query)
  }
  const posted = await server.fetch('/oauth/authorize', {
    method: 'POST',
    body: new URLSearchParams({ ...GOOD, state: '\0' }),
  })
  t.equal(posted.status, 400, 'by POST')
  for (const below of [
    '/oauth/authorize/%00',
    '/interaction/%00',
    '/oauth/logout?state=%00',
    '/oauth/userinfo?a=%00',
  ]) {
    const { status } = await server.fetch(below)
    t.ok(status >= 400 && status < 500, `${below}: ${status}`)
  }
})

t.test('Host and X-Forwarded-* lead nobody astray (RFC 9700 4.13)', async (t) => {
  const hostile = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' }
  const discovery = await rawRequest(server, '/.well-known/openid-configuration', { headers: hostile })
  t.same(JSON.parse(discovery.body), await (await server.fetch('/.well-known/openid-configuration')).json())

  const asked = await rawRequest(server, path(), { headers: hostile })
  t.match(asked.headers.location, /^\/interaction\//)
  const cookie = asked.headers['set-cookie']?.map((line) => line.split(';')[0]).join('; ') ?? ''
  const body = new URLSearchParams({ email: person.email, password: person.password }).toString()
  const signedIn = await rawRequest(server, `${asked.headers.location}/login`, {
    method: 'POST',
    headers: { ...hostile, cookie, origin: server.url, 'content-type': 'application/x-www-form-urlencoded' },
    body,
  })
  t.equal(signedIn.status, 303)
  t.equal(new URL(signedIn.headers.location ?? '').origin, server.url)
  t.notMatch([asked, signedIn], /evil\.example/)
})
