import { exportJWK, generateKeyPair } from 'jose'
import t from 'tap'
import { makeAdministrator, pagesOf } from '../fixtures/administrator.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { authorize, makeClient, REDIRECT_URI, type RelyingParty, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { meStatus, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const admin = await makeAdministrator(server)
const CLIENTS = '/api/admin/clients'
const at = (id: string) => `${CLIENTS}/${encodeURIComponent(id)}`
const machine = { client_name: 'Robot', client_type: 'machine', scope: 'profile:read keys:read' }
const web = { client_name: 'App', client_type: 'web', redirect_uris: [REDIRECT_URI] }

async function issued(id: string, secret: string, more: Record<string, string> = {}) {
  const response = await tokenRequest(server, { id, secret } as RelyingParty, {
    grant_type: 'client_credentials',
    ...more,
  })
  return { status: response.status, ...((await response.json()) as { access_token: string; scope?: string }) }
}

t.test('a client is registered with a secret that is told once, and works (RFC 7591 3.2.1)', async (t) => {
  const events = await eventsOf(server.db, async () => {
    const made = await admin.send('POST', CLIENTS, machine)
    t.match(made, { status: 201, body: { ...machine, client_role: 'service', client_secret: /^[\w-]{43}$/ } })
    const { client_id: id, client_secret: secret, client_secret_expires_at: _, ...told } = made.body
    t.match(await issued(id, secret), { status: 200, scope: machine.scope })
    t.equal(made.headers.get('location'), at(id))
    const read = await admin.send('GET', at(id))
    t.strictSame(read.body, { client_id: id, ...told }, 'and never again')
    t.equal(read.headers.get('etag'), made.headers.get('etag'))
  })
  t.match(events[0], { type: 'client.create', actorKind: 'account', actorId: admin.person.id })
  t.notMatch(JSON.stringify(events), /secret":/)
})

t.test(
  'sent again with its key, the same client and secret are told (draft-ietf-httpapi-idempotency-key-header)',
  async (t) => {
    const key = { 'idempotency-key': 'robot' }
    const before = (await pagesOf(admin, CLIENTS, 'clients')).length
    const [one, two] = await Promise.all([1, 2].map(() => admin.send('POST', CLIENTS, machine, key)))
    t.strictSame(one?.body, two?.body)
    t.match(one?.body, { client_secret: String })
    t.equal((await pagesOf(admin, CLIENTS, 'clients')).length, before + 1)
    const { client_id: id, client_secret: old } = one?.body ?? {}
    const again = { 'idempotency-key': 'another' }
    const rotated = await admin.send('POST', `${at(id)}/secret`, undefined, again)
    const { client_secret: secret } = rotated.body
    t.equal(rotated.status, 201)
    t.equal((await issued(id, old)).status, 401, 'the old one is refused at once')
    t.equal((await issued(id, secret)).status, 200)
    t.equal((await admin.send('POST', `${at(id)}/secret`, undefined, again)).body.client_secret, secret)
    t.equal((await issued(id, secret)).status, 200, 'and was not replaced a second time')
  },
)

t.test('all that the command line can say of a client is said by metadata, and read back (RFC 7591 2)', async (t) => {
  const { publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] }
  const rich = {
    ...web,
    scope: 'openid profile:read',
    first_party: true,
    access_token_format: 'opaque',
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:token-exchange'],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks,
    dpop_bound_access_tokens: true,
    require_pushed_authorization_requests: true,
    require_signed_request_object: true,
    serves: [`${server.url}/api`],
    introspection_signed_response_alg: 'ES256',
    post_logout_redirect_uris: ['https://app.example/out'],
    backchannel_logout_uri: 'https://app.example/told',
    backchannel_logout_session_required: true,
  }
  const made = await admin.send('POST', CLIENTS, rich)
  t.match(made, { status: 201, body: rich })
  t.notOk('client_secret' in made.body, 'it authenticates by its keys')
  const path = at(made.body.client_id)
  const named = await admin.change('PATCH', path, { client_name: 'Other' })
  t.strictSame(named.body, { ...made.body, client_name: 'Other' }, 'what is not said stays as it is')
  const fewer = await admin.change('PATCH', path, {
    serves: null,
    token_endpoint_auth_method: null,
    jwks: null,
    require_signed_request_object: null,
  })
  t.match(fewer, { status: 200, body: { token_endpoint_auth_method: 'client_secret_basic', client_secret: String } })
  for (const gone of ['serves', 'jwks', 'require_signed_request_object']) t.notOk(gone in fewer.body, gone)
  const fapi = { ...machine, security_profile: 'fapi2', jwks }
  t.match(await admin.send('POST', CLIENTS, fapi), { status: 201, body: { dpop_bound_access_tokens: true } })
})

t.test('a role and a scope are taken away: at once, and from the next token on (RFC 6749 6)', async (t) => {
  const scope = 'admin:read admin:write'
  const { body } = await admin.send('POST', CLIENTS, { ...machine, client_role: 'admin', scope })
  const { access_token: token } = await issued(body.client_id, body.client_secret)
  const sees = async () => (await server.fetch(CLIENTS, { headers: bearer(token) })).status
  t.equal(await sees(), 200)
  t.equal((await admin.change('PATCH', at(body.client_id), { client_role: 'service' })).status, 200)
  t.equal(await sees(), 403)

  const app = await makeClient(server, { scope: ['offline_access', 'profile:read', 'keys:read'] })
  const parameters = { scope: 'offline_access profile:read keys:read' }
  const { redeem } = await authorize(server, app, await makePerson(server), { parameters })
  const { refresh_token = '' } = await redeem()
  await admin.change('PATCH', at(app.id), { scope: 'offline_access profile:read' })
  const refreshed = await tokenRequest(server, app, { grant_type: 'refresh_token', refresh_token })
  t.match(await refreshed.json(), { scope: 'profile:read' })
})

t.test('a client that is deleted is refused with all its tokens, at once', async (t) => {
  const { body } = await admin.send('POST', CLIENTS, machine)
  const { access_token: token } = await issued(body.client_id, body.client_secret)
  t.equal(await meStatus(server, token), 200)
  t.equal((await admin.change('DELETE', at(body.client_id))).status, 204)
  t.equal(await meStatus(server, token), 401)
  t.equal((await issued(body.client_id, body.client_secret)).status, 401)
  t.equal((await admin.send('GET', at(body.client_id))).status, 404)
})

t.test('one that registered itself is seen and deleted, and changes itself alone (RFC 7592)', async (t) => {
  const registered = await register(server, { redirect_uris: [REDIRECT_URI], client_name: 'Stranger' })
  const { client_id: id } = (await registered.json()) as { client_id: string }
  t.match(await admin.send('GET', at(id)), { status: 200, body: { dynamic: true, client_name: 'Stranger' } })
  t.notMatch((await admin.send('GET', at(id))).body, { client_secret: String })
  const refused = { status: 409, body: { code: 'client_is_dynamic' } }
  t.match(await admin.change('PATCH', at(id), { first_party: true }), refused)
  t.equal((await admin.change('DELETE', at(id))).status, 204)
})

t.test('bad input is refused by its rule, and nothing is changed (RFC 7591 3.2.2)', async (t) => {
  const { body } = await admin.send('POST', CLIENTS, web)
  const before = await pagesOf(admin, CLIENTS, 'clients')
  const refused: [object, string][] = [
    [{ redirect_uris: ['http://app.example/cb'] }, 'invalid_redirect_uri'],
    [{ redirect_uris: [] }, 'invalid_redirect_uri'],
    [{ scope: 'quo"te' }, 'invalid_scope'],
    [{ client_name: 'a\u202eb' }, 'invalid_request'],
    [{ client_role: 'admin' }, 'invalid_request'],
    [{ grant_types: ['password'] }, 'invalid_request'],
    [{ grant_types: ['client_credentials'] }, 'invalid_request'],
    [{ serves: ['https://nobody.example'] }, 'invalid_target'],
    [{ token_endpoint_auth_method: 'none' }, 'invalid_request'],
    [{ token_endpoint_auth_method: 'private_key_jwt' }, 'invalid_request'],
    [{ jwks_uri: 'http://app.example/jwks' }, 'invalid_request'],
    [{ jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }, 'invalid_request'],
    [{ tls_client_certificate: 'none' }, 'invalid_request'],
    [{ tls_client_auth_san_dns: 'a.example', tls_client_auth_san_ip: '127.0.0.1' }, 'invalid_request'],
    [{ backchannel_logout_uri: 'http://app.example/out' }, 'invalid_request'],
    [{ security_profile: 'fapi1' }, 'invalid_request'],
    [{ dynamic: true }, 'invalid_request'],
    [{ client_id: 'client_mine' }, 'invalid_request'],
    [{ client_secret: 'mine' }, 'invalid_request'],
  ]
  for (const [change, code] of refused) {
    const wanted = { status: 400, body: { code } }
    t.match(await admin.send('POST', CLIENTS, { ...web, ...change }), wanted, JSON.stringify(change))
    t.match(await admin.change('PATCH', at(body.client_id), change), wanted, `PATCH ${JSON.stringify(change)}`)
  }
  t.match(await admin.change('PATCH', at(body.client_id), { client_type: 'spa' }), { status: 400 })
  t.match(await admin.send('PATCH', at(body.client_id), {}), { status: 428 })
  const stale = { 'if-match': '"stale"' }
  t.match(await admin.send('PATCH', at(body.client_id), { client_name: 'N' }, stale), { status: 412 })
  t.match(await admin.send('DELETE', at(body.client_id), undefined, stale), { status: 412 })
  t.strictSame(await pagesOf(admin, CLIENTS, 'clients'), before)
  const spa = await admin.send('POST', CLIENTS, { ...web, client_type: 'spa' })
  t.match(await admin.send('POST', `${at(spa.body.client_id)}/secret`), { status: 404 }, 'a public one has no secret')
})
