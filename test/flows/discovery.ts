import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import t from 'tap'
import { authorize, makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { DEVICE_CODE } from '../fixtures/device.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { clientForm, rawRequest } from '../fixtures/wire.ts'

const APP = new URL(REDIRECT_URI).origin
const server = await startGatehouse(t, { env: { TRUST_PROXY: '127.0.0.1', CORS_ORIGINS: APP } })
const PATHS = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']
const read = async (path: string) => (await (await server.fetch(path)).json()) as Record<string, unknown>
const metadata = await read('/.well-known/oauth-authorization-server')

t.test('both well-knowns describe the one issuer (RFC 8414 3.3, OpenID Connect Discovery 4.3)', async (t) => {
  for (const path of PATHS) {
    const response = await server.fetch(path)
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), /^application\/json/)
    t.same(await response.json(), metadata, path)
  }
  t.equal(metadata.issuer, server.url, 'as it is configured, to the character')
  for (const [name, value] of Object.entries(metadata)) {
    if (/_(endpoint|uri)$/.test(name)) t.equal(new URL(String(value)).origin, server.url, name)
    t.not(Array.isArray(value) && value.length === 0, true, `${name} is left out rather than empty (RFC 8414 3.2)`)
  }
})

t.test('what is offered is said, and nothing that is not (RFC 8414 2, RFC 9700 2.1.1)', async (t) => {
  t.match(metadata, {
    code_challenge_methods_supported: ['S256'],
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    authorization_response_iss_parameter_supported: true,
  })
  const lists = (name: string) => [...(metadata[name] as string[])].sort()
  t.same(lists('grant_types_supported'), [
    'authorization_code',
    'client_credentials',
    'refresh_token',
    DEVICE_CODE,
    'urn:ietf:params:oauth:grant-type:jwt-bearer',
    'urn:ietf:params:oauth:grant-type:token-exchange',
    'urn:openid:params:grant-type:ciba',
  ])
  t.same(lists('introspection_signing_alg_values_supported'), ['ES256', 'RS256'])
  t.same(lists('token_endpoint_auth_methods_supported'), [
    'client_secret_basic',
    'client_secret_post',
    'none',
    'private_key_jwt',
  ])
  t.same(lists('scopes_supported'), [
    'admin:read',
    'admin:write',
    'email',
    'keys:read',
    'keys:write',
    'offline_access',
    'openid',
    'profile',
    'profile:read',
  ])
  t.match(metadata, { backchannel_logout_supported: true, backchannel_logout_session_supported: true })
  t.same(lists('id_token_signing_alg_values_supported'), ['ES256', 'RS256'])
  t.notOk(lists('token_endpoint_auth_signing_alg_values_supported').some((alg) => /^HS|none/.test(alg)))
})

t.test('every endpoint that is named answers', async (t) => {
  const named = Object.entries(metadata).filter(([name]) => /_(endpoint|uri)$/.test(name))
  t.same(named.map(([name]) => name).sort(), [
    'authorization_endpoint',
    'backchannel_authentication_endpoint',
    'device_authorization_endpoint',
    'end_session_endpoint',
    'introspection_endpoint',
    'jwks_uri',
    'pushed_authorization_request_endpoint',
    'registration_endpoint',
    'revocation_endpoint',
    'status_list_aggregation_endpoint',
    'token_endpoint',
    'userinfo_endpoint',
  ])
  const posted = /token|introspect|revo|registration|pushed|device|backchannel/
  for (const [name, url] of named) {
    const { status } = await server.fetch(String(url), { method: posted.test(name) ? 'POST' : 'GET' })
    t.ok(status < 404, `${name}: ${status}`)
  }
})

t.test('what is not offered is not there (RFC 9700 2.1.2)', async (t) => {
  const paths = ['device/auth', 'request', 'ciba', 'backchannel/x', 'challenge', 'credential', 'session/end', 'nothing']
  for (const path of paths) {
    for (const method of ['GET', 'POST']) {
      t.equal((await server.fetch(`/oauth/${path}`, { method })).status, 404, `${method} ${path}`)
    }
  }
  for (const path of ['/auth', '/token', '/jwks', '/me', '/oauth', '/.well-known/openid-credential-issuer']) {
    t.equal((await server.fetch(path)).status, 404, path)
  }
  for (const method of ['PUT', 'PATCH', 'DELETE']) {
    for (const path of [...PATHS, '/oauth/token', '/oauth/jwks', '/oauth/register', '/oauth/authorize']) {
      t.equal((await server.fetch(path, { method })).status, 404, `${method} ${path}`)
    }
  }
})

t.test('registration is named while there is any (RFC 7591 3)', async (t) => {
  const without = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'off' } })
  const described = (await (await without.fetch(PATHS[0] ?? '')).json()) as object
  t.notOk('registration_endpoint' in described)
  t.equal((await without.post('/oauth/register', { redirect_uris: [REDIRECT_URI] })).status, 404)
  t.equal((await without.fetch('/oauth/register/client_x')).status, 404)
})

t.test('the keys are published without their private part (RFC 7517 9.2, RFC 8725 3.1)', async (t) => {
  const response = await server.fetch('/oauth/jwks')
  t.match(response.headers.get('content-type'), /^application\/(jwk-set\+)?json/)
  const { keys } = (await response.json()) as JSONWebKeySet
  t.same(keys.map(({ alg }) => alg).sort(), ['ES256', 'ES256', 'RS256', 'RS256'], 'of each a current and a next one')
  t.equal(new Set(keys.map(({ kid }) => kid)).size, keys.length, 'each has a name of its own')
  for (const key of keys) {
    t.not(key.kid, 'keystore-CHANGE-ME', 'nor is one the engine makes for development')
    t.match(key, { kid: /^[\w-]{16,}$/, use: 'sig', kty: key.alg === 'ES256' ? 'EC' : 'RSA' })
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) t.notOk(secret in key, secret)
    if (key.kty === 'RSA') t.ok(Buffer.from(key.n ?? '', 'base64url').length >= 256, 'of 2048 bits (FAPI 2.0 5.4.1)')
  }
})

t.test('an ID token is verified with what is published (OpenID Connect Core 3.1.3.7)', async (t) => {
  const client = await makeClient(server)
  const person = await makePerson(server)
  const { redeem } = await authorize(server, client, person, { parameters: { scope: 'openid', max_age: '600' } })
  const { id_token = '' } = await redeem()
  const keys = createLocalJWKSet((await read('/oauth/jwks')) as unknown as JSONWebKeySet)
  const { payload, protectedHeader } = await jwtVerify(id_token, keys, { issuer: server.url, audience: client.id })
  t.equal(protectedHeader.alg, 'RS256', 'which every client understands (Core 15.1)')
  t.match(payload, { sub: person.id, exp: Number, iat: Number, auth_time: Number })
})

t.test('Host and X-Forwarded-*, also of a proxy that is trusted, change no URL (RFC 9700 4.13)', async (t) => {
  const hostile: Record<string, string>[] = [
    { host: 'evil.example' },
    { host: 'evil.example:x@good.example' },
    { host: '' },
    { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
    { 'x-forwarded-proto': 'javascript', 'x-forwarded-port': '1' },
    { forwarded: 'host=evil.example;proto=https' },
    { 'x-original-url': '/evil', 'x-rewrite-url': '/evil' },
  ]
  for (const headers of hostile) {
    for (const path of PATHS) {
      const { status, body } = await rawRequest(server, path, { headers })
      if (status === 200) t.same(JSON.parse(body), metadata, JSON.stringify(headers))
      else t.equal(status, 400, JSON.stringify(headers))
    }
  }
})

t.test('a browser application of any origin reads the metadata, of its own the tokens (RFC 9700 2.6)', async (t) => {
  const client = await makeClient(server, { type: 'spa' })
  for (const path of [...PATHS, '/oauth/jwks', '/.well-known/oauth-protected-resource']) {
    const response = await server.fetch(path, { headers: { origin: 'https://any.example' } })
    t.match(response.headers.get('access-control-allow-origin'), /^(\*|https:\/\/any\.example)$/, path)
    t.equal(response.headers.get('access-control-allow-credentials'), null, 'without cookies')
  }
  for (const path of ['/oauth/token', '/oauth/revoke', '/oauth/userinfo']) {
    const headers = {
      origin: APP,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    }
    const preflight = await server.fetch(path, { method: 'OPTIONS', headers })
    t.equal(preflight.status, 204, path)
    t.equal(preflight.headers.get('access-control-allow-origin'), APP)
    t.match(preflight.headers.get('access-control-allow-headers'), /authorization/i)
  }
  const { body } = clientForm(client, { grant_type: 'refresh_token', refresh_token: 'unknown' })
  const ask = (origin: string) => server.fetch('/oauth/token', { method: 'POST', body, headers: { origin } })
  const own = await ask(APP)
  t.equal(own.headers.get('access-control-allow-origin'), APP)
  t.match(await own.json(), { error: 'invalid_grant' })
  const other = await ask('https://any.example')
  t.equal(other.headers.get('access-control-allow-origin'), null, 'the page of another origin learns nothing')
  t.match(await other.json(), { error: 'invalid_request' })
})

t.test('an application of CORS_ORIGINS may do all that the API offers', async (t) => {
  for (const method of ['GET', 'POST', 'DELETE']) {
    const headers = { origin: APP, 'access-control-request-method': method }
    const preflight = await server.fetch('/api/grants/x', { method: 'OPTIONS', headers })
    t.equal(preflight.headers.get('access-control-allow-origin'), APP)
    t.match(preflight.headers.get('access-control-allow-methods'), method)
  }
  const stranger = await server.fetch('/api/grants', { headers: { origin: 'https://any.example' } })
  t.not(stranger.headers.get('access-control-allow-origin'), 'https://any.example')
})
