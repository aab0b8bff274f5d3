import { decodeJwt } from 'jose'
import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { makeClient, passPages, REDIRECT_URI } from '../fixtures/clients.ts'
import { ageDocuments, requestAs, serveDocuments } from '../fixtures/documents.ts'
import { exchange, makeExchanger } from '../fixtures/exchange.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const documents = await serveDocuments(t)
const anyone = await makeClient(server)
const person = await makePerson(server)
const PUBLIC = { client_name: 'Meadow', redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none' }

/** Where a request of such a client leads to: a page. */
async function visit(id: string, parameters: Record<string, string> = {}, on: Gatehouse = server) {
  return new Browser(on).goto((await requestAs(anyone, id, parameters)).url.href.replace(server.url, on.url))
}

/** What such a client gets when a person allows it all. */
async function tokensOf(id: string, browser = new Browser(server)) {
  const { url, verifier } = await requestAs(anyone, id)
  const end = await passPages(browser, await browser.goto(url.href), person)
  const code = new URL(end.url).searchParams.get('code') ?? ''
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT_URI }
  return (await (await token(id, form)).json()) as Record<string, string>
}

const token = (id: string, form: Record<string, string>) =>
  clientPost(server, '/oauth/token', { id, secret: undefined }, form)
const refresh = async (id: string, refresh_token = '') =>
  (await (await token(id, { grant_type: 'refresh_token', refresh_token })).json()) as Record<string, string>

t.test('a client is who the document at its identifier says (Client ID Metadata Document 3, 4)', async (t) => {
  const id = documents.put('/meadow.json', PUBLIC, { headers: { 'cache-control': 'max-age=3600' } })
  const browser = new Browser(server)
  const tokens = await tokensOf(id, browser)
  t.match(decodeJwt(tokens.access_token ?? ''), { client_id: id, sub: person.id })
  t.equal(await meStatus(server, tokens.access_token ?? ''), 200)
  const refreshed = await refresh(id, tokens.refresh_token)
  t.equal(await meStatus(server, refreshed.access_token ?? ''), 200)
  t.equal(documents.hits(id), 1, 'it is fetched once while it is fresh')

  const silent = new URL((await browser.goto((await requestAs(anyone, id, { prompt: 'none' })).url.href)).url)
  t.equal(silent.searchParams.get('error'), 'consent_required', 'consent is asked for each time')

  const headers = bearer((await signIn(server, person)).accessToken)
  const { grants } = (await (await server.fetch('/api/grants', { headers })).json()) as { grants: object[] }
  t.match(grants, [{ clientId: id, clientName: 'Meadow' }])
  const removed = await server.fetch(`/api/grants/${encodeURIComponent(id)}`, { method: 'DELETE', headers })
  t.equal(removed.status, 200)
  t.equal(await meStatus(server, refreshed.access_token ?? ''), 401)
})

t.test(
  'what such a client was given can be exchanged by a server it is for, and ends with it (RFC 8693)',
  async (t) => {
    const id = documents.put('/exchanged.json', PUBLIC)
    const tokens = await tokensOf(id)
    const subject = { kind: 'access_token', token: tokens.access_token ?? '' }
    const got = await exchange(server, await makeExchanger(server), subject, { scope: 'profile:read' })
    t.equal(got.status, 200)
    t.equal(await meStatus(server, got.access_token), 200)
    await clientPost(server, '/oauth/revoke', { id, secret: undefined }, { token: tokens.refresh_token ?? '' })
    t.equal(await meStatus(server, got.access_token), 401)
  },
)

t.test('the person sees where the client describes itself (Client ID Metadata Document 6.4)', async (t) => {
  const id = documents.put('/shown.json', { ...PUBLIC, client_name: 'Totally Gatehouse' })
  const browser = new Browser(server)
  const { url } = await requestAs(anyone, id)
  const page = await browser.goto(url.href)
  const { html } = await browser.submit(page, page.form('/login'), { email: person.email, password: person.password })
  t.match(html, new URL(id).host)
  t.match(html, id, 'the whole address')
  t.match(html, 'Nobody has checked this app')
  t.match(html, new URL(REDIRECT_URI).host, 'and where they go then')
})

t.test('a document that will not do lets nobody in (Client ID Metadata Document 4.1, 6.1)', async (t) => {
  const wrong: [string, object][] = [
    ['another client_id', { client_id: `${documents.origin}/other.json` }],
    ['a shared secret', { token_endpoint_auth_method: 'client_secret_basic' }],
    ['a secret in public', { client_secret: 'x' }],
    ['no redirect URI', { redirect_uris: [] }],
    ['none at all', { redirect_uris: undefined }],
    ['redirect URIs of no list', { redirect_uris: REDIRECT_URI }],
    ['a redirect URI without TLS', { redirect_uris: ['http://app.example/callback', REDIRECT_URI] }],
    ['a redirect URI that runs', { redirect_uris: ['javascript:alert(1)', REDIRECT_URI] }],
    ['a member that is ours', { first_party: true }],
    ['another', { allowed_scope: 'admin:read' }],
    ['resources that it serves', { serves: [`${server.url}/api`] }],
    ['a scope for administrators', { scope: 'admin:read' }],
    ['a name that turns its letters', { client_name: 'Meadow \u202egnp' }],
    ['a name that is none', { client_name: ['Meadow'] }],
    ['keys inside', { jwks_uri: 'https://10.0.0.1/jwks', token_endpoint_auth_method: 'private_key_jwt' }],
    ['a grant type that is not ours alone', { grant_types: ['implicit'] }],
    ['a response type that is not ours', { response_types: ['token'] }],
    ['an algorithm without a key', { id_token_signed_response_alg: 'HS256' }],
    ['more than is read', { contacts: ['x'.repeat(5 * 1024)] }],
  ]
  for (const [name, change] of wrong) {
    const id = documents.put(`/wrong/${encodeURIComponent(name)}`, { ...PUBLIC, ...change })
    const page = await visit(id)
    t.equal(page.status, 400, name)
    t.notMatch(page.html, /name="password"/, name)
    t.equal(new URL(page.url).origin, server.url, 'and nobody is sent anywhere')
  }
  for (const [name, document] of Object.entries({
    'no JSON': { body: 'client_id=x' },
    'no object': { body: '["x"]' },
    nothing: { body: 'null' },
    'a redirect': { status: 302, headers: { location: documents.put('/target.json', PUBLIC) } },
    'not found': { status: 404 },
    'a failure': { status: 500 },
  })) {
    const id = documents.answer(`/wrong/${encodeURIComponent(name)}`, document)
    t.equal((await visit(id)).status, 400, name)
    t.match(await refresh(id, 'x'), { error: 'invalid_client' }, name)
  }
})

t.test('an identifier that is no plain https URL is not fetched (Client ID Metadata Document 3)', async (t) => {
  const id = documents.put('/plain.json', PUBLIC)
  const host = id.slice('http://'.length)
  for (const other of [
    `${id}#fragment`,
    id.replace('http:', 'HTTP:'),
    `http://user:secret@${host}`,
    id.replace('/plain', '/x/../plain'),
    id.replace('/plain', '/x/%2e%2e/plain'),
    id.replace('127.0.0.1', '127.1'),
    `http://app.example/${'x'.repeat(10)}`,
    `${id}?${'x'.repeat(200)}`,
    'https://10.0.0.1/client.json',
    'https://[::ffff:10.0.0.1]/client.json',
    'https://169.254.169.254/latest',
    'https:app.example/client.json',
    'http://',
  ]) {
    t.equal((await visit(other)).status, 400, other)
  }
  t.equal(documents.hits(id), 0)
})

t.test('only a server at localhost takes documents from there (CWE-918)', async (t) => {
  const id = documents.put('/inside.json', PUBLIC)
  const outside = await startGatehouse(t, { env: { ISSUER: 'https://id.example' } })
  const port = new URL(id).port
  for (const other of [id, id.replace('127.0.0.1', 'localhost'), `https://127.0.0.1:${port}/inside.json`]) {
    t.equal((await visit(other, {}, outside)).status, 400, other)
  }
  t.equal(documents.hits(id), 0)
})

t.test('the operator says whose documents are taken: CLIENT_ID_METADATA', async (t) => {
  const id = documents.put('/allowed.json', PUBLIC)
  const supported = async (on: Gatehouse) =>
    ((await (await on.fetch('/.well-known/openid-configuration')).json()) as Record<string, unknown>)
      .client_id_metadata_document_supported
  t.equal(await supported(server), true)
  for (const [setting, status, offered] of [
    ['off', 400, false],
    ['app.example', 400, true],
    ['app.example, 127.0.0.1', 200, true],
  ] as const) {
    const other = await startGatehouse(t, { env: { CLIENT_ID_METADATA: setting } })
    t.equal(await supported(other), offered, setting)
    t.equal((await visit(id, {}, other)).status, status, setting)
  }
  t.equal(documents.hits(id), 1)
})

t.test('a document that changes ends what no longer matches it (Client ID Metadata Document 6.3)', async (t) => {
  const id = documents.put('/changing.json', PUBLIC)
  const tokens = await tokensOf(id)
  const change = async (metadata: object) => {
    documents.put('/changing.json', metadata)
    await ageDocuments(server, [id], new Date(Date.now() - 1))
  }

  await change({ ...PUBLIC, client_name: 'Field' })
  t.match((await visit(id)).html, 'Field', 'a new name is shown')
  const kept = await refresh(id, tokens.refresh_token)
  t.equal(await meStatus(server, kept.access_token ?? ''), 200, 'and ends nothing')

  await change({ ...PUBLIC, redirect_uris: ['https://field.example/callback'] })
  t.equal((await visit(id)).status, 400, 'the old redirect URI is refused')
  t.match(await refresh(id, kept.refresh_token), { error: 'invalid_grant' })
  t.equal(await meStatus(server, kept.access_token ?? ''), 401, 'and what was given to it is over')

  await change(PUBLIC)
  const again = await tokensOf(id)
  documents.answer('/changing.json', { status: 410 })
  await ageDocuments(server, [id], new Date(Date.now() - 1))
  t.match(await refresh(id, again.refresh_token), { error: 'invalid_client' }, 'a client without a document is none')
})

t.test('a document is fetched once for all who wait for it, and once for all processes', async (t) => {
  const beside = await startGatehouse(t, { beside: server })
  const id = documents.put('/busy.json', PUBLIC)
  const pages = await Promise.all(Array.from({ length: 8 }, () => visit(id)))
  t.ok(pages.every(({ status }) => status === 200))
  t.equal(documents.hits(id), 1)
  t.equal((await visit(id, {}, beside)).status, 200)
  t.equal(documents.hits(id), 1)
})
