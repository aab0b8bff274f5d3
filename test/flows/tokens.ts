import { sql } from 'drizzle-orm'
import { decodeJwt } from 'jose'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { authorize, makeClient, REDIRECT_URI, type RelyingParty, tokenRequest } from '../fixtures/clients.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { clientForm, clientPost, meStatus, postAtOnce } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const client = await makeClient(server)

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly scope: string
}

/** A code that is not redeemed yet, and the request that would redeem it. */
async function makeCode(of = client, parameters: Record<string, string> = {}) {
  const { code, verifier } = await authorize(server, of, person, { parameters })
  return { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: of.redirectUri }
}

async function makeTokens(of = client, parameters: Record<string, string> = {}): Promise<Tokens> {
  const response = await tokenRequest(server, of, await makeCode(of, parameters))
  if (response.status !== 200) throw new Error(await response.text())
  return (await response.json()) as Tokens
}

const refresh = (token: string, changes: Record<string, string> = {}, of = client) =>
  tokenRequest(server, of, { grant_type: 'refresh_token', refresh_token: token, ...changes })

async function isRefused(t: Test, response: Response, error = 'invalid_grant', message = error): Promise<void> {
  t.equal(response.status, 400, message)
  t.match(await response.json(), { error })
}

/** What the refresh token ends at, as the server itself says. */
async function endOf(token: string): Promise<number> {
  const answer = await clientPost(server, '/oauth/introspect', client, { token })
  return ((await answer.json()) as { exp: number }).exp
}

/** Sets when what is stored under this model ends, in seconds from now. */
const endIn = (model: string, seconds: number) =>
  server.db.execute(sql`update provider_models set expires_at = now() + ${seconds} * interval '1 second',
    payload = jsonb_set(payload::jsonb, '{exp}', to_jsonb(extract(epoch from now())::int + ${seconds}::int))::json
    where model = ${model}`)

t.test('a code that is redeemed twice ends what it gave (RFC 6749 4.1.2, ASVS V10.4.2)', async (t) => {
  const code = await makeCode()
  const tokens = (await (await tokenRequest(server, client, code)).json()) as Tokens
  t.equal(await meStatus(server, tokens.access_token), 200)
  await isRefused(t, await tokenRequest(server, client, code))
  t.equal(await meStatus(server, tokens.access_token), 401, 'the access token, a JWT')
  await isRefused(t, await refresh(tokens.refresh_token), 'invalid_grant', 'the refresh token')

  const opaque = await makeCode(client, { scope: 'openid' })
  const { access_token } = (await (await tokenRequest(server, client, opaque)).json()) as Tokens
  const userinfo = async () => (await server.fetch('/oauth/userinfo', { headers: bearer(access_token) })).status
  t.equal(await userinfo(), 200)
  await isRefused(t, await tokenRequest(server, client, opaque))
  t.equal(await userinfo(), 401, 'and an opaque one')
})

t.test('a code is for its client, its redirect URI and a minute (RFC 6749 4.1.3, ASVS V10.4.3)', async (t) => {
  const other = await makeClient(server)
  const publicClient = await makeClient(server, { type: 'spa' })
  const code = await makeCode()
  await isRefused(t, await tokenRequest(server, other, code))
  await isRefused(t, await tokenRequest(server, publicClient, code))
  for (const redirect_uri of ['https://app.example/other', `${REDIRECT_URI}/`, other.id]) {
    await isRefused(t, await tokenRequest(server, client, { ...code, redirect_uri }), 'invalid_grant', redirect_uri)
  }
  for (const wrong of [`${code.code}x`, code.code.slice(0, -1), 'x']) {
    await isRefused(t, await tokenRequest(server, client, { ...code, code: wrong }))
  }
  t.equal((await tokenRequest(server, client, code)).status, 200, 'none of which took it from its client')

  const late = await makeCode()
  const [row] = await server.db.execute<{
    seconds: number
  }>(sql`select max(extract(epoch from expires_at - now()))::float
    as seconds from provider_models where model = 'AuthorizationCode'`)
  t.ok((row?.seconds ?? 0) <= 60)
  await endIn('AuthorizationCode', -1)
  await isRefused(t, await tokenRequest(server, client, late), 'invalid_grant', 'after it')
})

t.test('a refresh token is used once, and the family of one used twice ends (RFC 9700 4.14.2)', async (t) => {
  for (const type of ['web', 'spa'] as const) {
    const of = await makeClient(server, { type })
    const first = await makeTokens(of)
    const second = (await (await refresh(first.refresh_token, {}, of)).json()) as Tokens
    const third = (await (await refresh(second.refresh_token, {}, of)).json()) as Tokens
    t.equal(
      new Set([first, second, third].map((tokens) => tokens.refresh_token)).size,
      3,
      `${type}: a new one each time`,
    )
    t.equal(third.scope, first.scope, 'for the same scope')
    for (const { access_token } of [first, second, third]) t.equal(await meStatus(server, access_token), 200)

    await isRefused(t, await refresh(first.refresh_token, {}, of))
    await isRefused(t, await refresh(third.refresh_token, {}, of), 'invalid_grant', 'the newest is over')
    for (const { access_token } of [first, second, third]) {
      t.equal(await meStatus(server, access_token), 401, 'and every access token, a JWT')
    }
  }
})

t.test('a token request need not repeat the redirect URI (OAuth 2.1 10.2)', async (t) => {
  const several = await makeClient(server, { redirectUris: [REDIRECT_URI, 'https://app.example/second'] })
  for (const client of [await makeClient(server), several]) {
    const { code, verifier } = await authorize(server, client, person, { parameters: { scope: 'openid' } })
    const parameters = { grant_type: 'authorization_code', code, code_verifier: verifier }
    const redeemed = await tokenRequest(server, client, parameters)
    t.equal(redeemed.status, 200)
    const unknown = await tokenRequest(server, client, { ...parameters, code: 'unknown' })
    t.match(await unknown.json(), { error: 'invalid_grant' })
  }
})

t.test('a process that starts later knows which refresh tokens were used (Keycloak issue 52666)', async (t) => {
  const first = await makeTokens()
  const second = (await (await refresh(first.refresh_token)).json()) as Tokens
  const third = (await (await refresh(second.refresh_token)).json()) as Tokens
  const later = await startGatehouse(t, { beside: server })
  const again = { grant_type: 'refresh_token', refresh_token: first.refresh_token }
  await isRefused(t, await tokenRequest(later, client, again))
  await isRefused(t, await refresh(third.refresh_token), 'invalid_grant', 'the family is over, here too')
  t.equal(await meStatus(later, third.access_token), 401)
})

t.test('a refresh token is its client’s (RFC 6749 6)', async (t) => {
  const { refresh_token } = await makeTokens()
  for (const type of ['web', 'spa'] as const) {
    await isRefused(t, await refresh(refresh_token, {}, await makeClient(server, { type })))
  }
  t.equal((await refresh(refresh_token)).status, 200)
})

t.test('refreshing narrows the scope or keeps it, and never widens it (RFC 6749 6)', async (t) => {
  const of = await makeClient(server, { scope: ['openid', 'email', 'profile:read', 'keys:read', 'keys:write'] })
  const { refresh_token, scope } = await makeTokens(of, { scope: 'openid profile:read keys:read' })
  t.equal(scope, 'openid profile:read keys:read')
  const narrow = (await (await refresh(refresh_token, { scope: 'keys:read' }, of)).json()) as Tokens
  t.equal(narrow.scope, 'keys:read')
  const me = await server.fetch('/api/me', { headers: bearer(narrow.access_token) })
  t.match(await me.json(), { scopes: ['keys:read'] })
  for (const wider of ['keys:write', 'profile:read keys:read keys:write', 'openid email', 'admin:read', 'nonsense']) {
    await isRefused(t, await refresh(narrow.refresh_token, { scope: wider }, of), 'invalid_scope', wider)
  }
  await isRefused(t, await refresh(narrow.refresh_token, { resource: 'https://api.example' }, of), 'invalid_target')
  const again = (await (await refresh(narrow.refresh_token, {}, of)).json()) as Tokens
  t.equal(again.scope, scope, 'the refresh token keeps its own')
})

t.test('refreshing never makes access last longer than was allowed (ASVS V10.4.8)', async (t) => {
  const { refresh_token } = await makeTokens()
  await endIn('RefreshToken', 100)
  const end = await endOf(refresh_token)
  const second = (await (await refresh(refresh_token)).json()) as Tokens
  t.ok((await endOf(second.refresh_token)) <= end, 'than the first refresh token')
  await endIn('Grant', 50)
  const third = (await (await refresh(second.refresh_token)).json()) as Tokens
  t.ok((await endOf(third.refresh_token)) <= end - 49, 'than the grant')
  t.ok(Number(decodeJwt(third.access_token).exp) <= Date.now() / 1000 + 51, 'nor does an access token')
  await endIn('Grant', -1)
  await isRefused(t, await refresh(third.refresh_token))
})

t.test('no password grant, and a client uses its own grant types only (RFC 9700 2.4, ASVS V10.4.4)', async (t) => {
  const { email: username, password } = person
  const types = ['password', 'implicit', 'nonsense', '%00']
  for (const grant_type of types) {
    const response = await tokenRequest(server, client, { grant_type, username, password })
    await isRefused(t, response, 'unsupported_grant_type', grant_type)
  }
  await isRefused(t, await tokenRequest(server, client, {}), 'invalid_request')
  const machine = await makeClient(server, { type: 'machine' })
  for (const grant_type of ['client_credentials', 'urn:openid:params:grant-type:ciba']) {
    await isRefused(t, await tokenRequest(server, client, { grant_type }), 'unauthorized_client', grant_type)
  }
  t.equal((await tokenRequest(server, machine, await makeCode())).status, 400)
  t.equal((await refresh((await makeTokens()).refresh_token, {}, machine)).status, 400)
})

t.test('what the token endpoint says is not stored (RFC 6749 5.1)', async (t) => {
  const code = await makeCode()
  for (const status of [200, 400]) {
    const response = await tokenRequest(server, client, code)
    t.equal(response.status, status)
    t.match(response.headers.get('cache-control'), /no-store/)
    t.match(response.headers.get('content-type'), /^application\/json/)
  }
  t.equal((await server.fetch('/oauth/token')).status, 404, 'and it takes POST only (RFC 6749 3.2)')
})

t.test('a parameter of a token request that stands twice is refused (RFC 6749 3.2)', async (t) => {
  const code = await makeCode()
  const { refresh_token } = await makeTokens()
  for (const parameters of [code, { grant_type: 'refresh_token', refresh_token, scope: 'openid' }]) {
    for (const [name, value] of Object.entries({ ...parameters, client_id: client.id })) {
      const { body, headers } = clientForm(client, { ...parameters, [name]: value })
      body.append(name, value)
      await isRefused(t, await server.fetch('/oauth/token', { method: 'POST', body, headers }), 'invalid_request', name)
    }
  }
})

t.test('of fifty that redeem one code at once, one wins and keeps it (ASVS V10.4.2)', async (t) => {
  const servers = [server]
  if (server.env.DATABASE_URL !== undefined) servers.push(await startGatehouse(t, { beside: server }))
  else t.comment('the embedded database serves one process: no second server takes part')

  for (const type of ['web', 'spa'] as const) {
    const of = await makeClient(server, { type })
    await wins(t, servers, of, await makeCode(of))
  }
})

async function wins(t: Test, servers: Gatehouse[], of: RelyingParty, parameters: Record<string, string>) {
  const answers = await postAtOnce(servers, '/oauth/token', 50, clientForm(of, parameters))
  const [winner, ...more] = answers.filter(({ status }) => status === 200)
  const losers = answers.filter(({ status, body }) => status === 400 && body.error === 'invalid_grant')
  t.equal(losers.length, 49, `${parameters.grant_type}: the others get invalid_grant`)
  if (winner === undefined) throw new Error(`nobody won: ${JSON.stringify(answers.slice(0, 3))}`)
  t.same(more, [])
  for (const each of servers) t.equal(await meStatus(each, winner.body.access_token ?? ''), 200)
}

t.test('openid-client refreshes as any client would', async (t) => {
  const { redeem } = await authorize(server, client, person)
  const tokens = await openid.refreshTokenGrant(client.configuration, (await redeem()).refresh_token ?? '')
  t.equal(tokens.claims()?.sub, person.id, 'and gets an ID token of the same person (OpenID Connect Core 12.2)')
})
