import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const metadata = { redirect_uris: [REDIRECT_URI], client_name: 'An App' }

t.test('a client registers for nothing that is not offered (RFC 7591 3.2.2, Keycloak CVE-2026-7571)', async (t) => {
  const wrong: Record<string, unknown>[] = [
    { response_types: ['token'] },
    { response_types: ['code', 'id_token'] },
    { grant_types: ['implicit'] },
    { grant_types: ['authorization_code', 'password'] },
    { grant_types: ['urn:ietf:params:oauth:grant-type:device_code'], response_types: [] },
    { grant_types: ['urn:ietf:params:oauth:grant-type:jwt-bearer-of-nobody'] },
    { response_modes: ['web_message'] },
    { token_endpoint_auth_method: 'client_secret_jwt' },
    { token_endpoint_auth_method: 'tls_client_auth' },
    { id_token_signed_response_alg: 'none' },
    { id_token_signed_response_alg: 'HS256' },
    { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [] }, token_endpoint_auth_signing_alg: 'HS256' },
    { token_endpoint_auth_method: 'private_key_jwt' },
    { subject_type: 'pairwise' },
    { first_party: true },
    { dynamic: false },
    { allowed_scope: 'admin:read' },
    { scope: 'admin:read' },
  ]
  for (const change of wrong) {
    const response = await register(server, { ...metadata, ...change })
    t.equal(response.status, 400, JSON.stringify(change))
    t.match(await response.json(), { error: 'invalid_client_metadata' })
  }
})

t.test('a client that registers its response modes is answered by no other (ASVS V10.4.12)', async (t) => {
  const anyone = await makeClient(server)
  const registered = await register(server, { ...metadata, response_modes: ['query'] })
  t.equal(registered.status, 201)
  const { client_id } = (await registered.json()) as { client_id: string }
  const ask = async (response_mode: string) => {
    const { url } = await authorizationRequest(anyone, { client_id, response_mode, scope: 'openid', prompt: '' })
    return new Browser(server).goto(url.href)
  }
  t.match((await ask('query')).html, /name="password"/)
  for (const mode of ['fragment', 'form_post']) {
    const refused = await ask(mode)
    t.match(refused.url + refused.html, /invalid_request|unsupported_response_mode/, mode)
    t.notMatch(refused.html, /name="password"/)
  }
  t.match(
    (await ask('web_message')).url,
    /error=(unsupported_response_mode|invalid_request)/,
    'nor by one that there is not',
  )
})

t.test('an application in a page of any origin registers and manages itself (RFC 7591 3, RFC 9700 2.6)', async (t) => {
  const origin = 'https://any.example'
  const preflight = async (path: string, method: string) => {
    const asked = { 'access-control-request-method': method, 'access-control-request-headers': 'content-type' }
    const { status, headers } = await server.fetch(path, { method: 'OPTIONS', headers: { origin, ...asked } })
    t.equal(status, 204, method)
    t.ok(headers.get('access-control-allow-methods')?.split(',').includes(method), method)
    t.match(headers.get('access-control-allow-headers'), /authorization.*content-type/)
    return headers.get('access-control-allow-origin')
  }
  t.equal(await preflight('/oauth/register', 'POST'), '*')
  const registered = await server.post('/oauth/register', metadata, { origin })
  t.equal(registered.headers.get('access-control-allow-origin'), '*')
  t.equal(registered.headers.get('access-control-allow-credentials'), null, 'without cookies')
  const { client_id, registration_access_token } = (await registered.json()) as Record<string, string>
  const path = `/oauth/register/${client_id}`
  t.equal(await preflight(path, 'GET'), '*')
  const headers = { origin, authorization: `Bearer ${registration_access_token}` }
  t.equal((await server.fetch(path, { headers })).headers.get('access-control-allow-origin'), '*')
  const refused = await server.post('/oauth/register', { ...metadata, scope: 'admin:read' }, { origin })
  t.equal(refused.status, 400)
  t.equal(refused.headers.get('access-control-allow-origin'), '*', 'and reads why it is refused')
})
