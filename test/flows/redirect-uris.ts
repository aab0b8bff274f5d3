import t, { type Test } from 'tap'
import { type ClientType, createClient } from '../../src/clients/clients.ts'
import { authorize, makeClient, REDIRECT_URI, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { register, withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const other = await makeClient(server, { redirectUris: ['https://other.example/callback'] })

/** An authorization request that is in order but for its redirect URI. */
function ask(clientId: string, redirectUri?: string): Promise<Response> {
  const parameters = {
    client_id: clientId,
    response_type: 'code',
    scope: 'openid',
    state: 's',
    code_challenge: 'c'.repeat(43),
    code_challenge_method: 'S256',
    ...(redirectUri === undefined ? {} : { redirect_uri: redirectUri }),
  }
  return server.fetch(withQuery('/oauth/authorize', parameters), { headers: { accept: 'text/html' } })
}

async function isRefused(t: Test, clientId: string, redirectUri: string): Promise<void> {
  const response = await ask(clientId, redirectUri)
  const shown = JSON.stringify(redirectUri)
  t.equal(response.status, 400, `${shown} is refused`)
  t.equal(response.headers.get('location'), null, 'without a redirect')
  t.match(response.headers.get('content-type'), 'text/html', 'by a page')
  t.notMatch(await response.text(), /evil\.example|javascript:/i, 'that does not lead there either')
}

async function isTaken(t: Test, clientId: string, redirectUri: string): Promise<void> {
  const response = await ask(clientId, redirectUri)
  t.equal(response.status, 303, `${redirectUri} is taken`)
  t.match(response.headers.get('location'), /^\/interaction\//, 'and the request goes on to sign-in')
}

t.test('a redirect URI is compared as an exact string, and never followed otherwise (RFC 9700 4.1.3)', async (t) => {
  const client = await makeClient(server)
  await isTaken(t, client.id, REDIRECT_URI)
  const others = [
    'https://app.example',
    'https://app.example/',
    'https://app.example/callback/',
    'https://app.example/callback.',
    'https://app.example/Callback',
    'https://APP.example/callback',
    'HTTPS://app.example/callback',
    'https://app.example./callback',
    'https://app.example:443/callback',
    'https://app.example:8443/callback',
    'https://app.example//callback',
    'https://app.example/callback?',
    'https://app.example/callback?next=https://evil.example',
    'https://app.example/callback#',
    'https://app.example/callback#fragment',
    'https://app.example/callback/..',
    'https://app.example/callback/../callback',
    'https://app.example/./callback',
    'https://app.example/callback/..;/evil',
    'https://app.example/callback;a=b',
    'https://app.example/%2e%2e/callback',
    'https://app.example/callback/%2e%2e/evil',
    'https://app.example/callback%2f..%2fevil',
    'https://app.example/c%61llback',
    'https://app.example/callbac',
    'https://app.example/*',
    'https://user@app.example/callback',
    'https://app.example@evil.example/callback',
    'https://app.example\\@evil.example/callback',
    'https://app.example.evil.example/callback',
    'https://evil.example/callback',
    'https://evil.example/?https://app.example/callback',
    'https://app。example/callback',
    'http://app.example/callback',
    '//app.example/callback',
    '/callback',
    'callback',
    'javascript:alert(1)//https://app.example/callback',
    'JavaScript:alert(1)',
    'java\tscript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    ' https://app.example/callback',
    'https://app.example/callback ',
    'https://app.example/callback\t',
    'https://app.example/call\r\nback',
    'https://app.example/callback\0',
    other.redirectUri,
  ]
  for (const uri of others) await isRefused(t, client.id, uri)
})

t.test('only the port of a loopback redirect URI of a native client may vary (OAuth 2.1 8.4.2)', async (t) => {
  const redirectUris = ['http://127.0.0.1/callback', 'http://[::1]:8080/callback', 'com.example.app:/callback']
  const native = await makeClient(server, { type: 'native', redirectUris })
  for (const uri of [...redirectUris, 'http://127.0.0.1:51004/callback', 'http://[::1]:51004/callback']) {
    await isTaken(t, native.id, uri)
  }
  const others = [
    'http://localhost:51004/callback',
    'http://127.0.0.2:51004/callback',
    'http://127.1:51004/callback',
    'http://2130706433:51004/callback',
    'http://127.0.0.1.evil.example:51004/callback',
    'http://127.0.0.1:51004@evil.example/callback',
    'http://user@127.0.0.1:51004/callback',
    'http://127.0.0.1:99999/callback',
    'http://127.0.0.1:51004/callback/',
    'http://127.0.0.1:51004/Callback',
    'http://127.0.0.1:51004/other',
    'http://127.0.0.1:51004/other/../callback',
    'http://127.0.0.1:51004/callback?query',
    'http://127.0.0.1:51004/callback#fragment',
    'https://127.0.0.1:51004/callback',
    'com.example.app://callback',
    'com.example.app.evil:/callback',
    'COM.example.app:/callback',
  ]
  for (const uri of others) await isRefused(t, native.id, uri)

  const web = await makeClient(server, { redirectUris: ['http://127.0.0.1/callback'] })
  await isRefused(t, web.id, 'http://127.0.0.1:51004/callback')
})

t.test('a client nobody knows is told to the person, and nothing is followed (OAuth 2.1 2.3.5)', async (t) => {
  await isRefused(t, 'client_unknown', REDIRECT_URI)
  await isRefused(t, 'client_unknown', 'https://evil.example/callback')
  await isRefused(t, `${other.id}\0`, other.redirectUri)
  await isRefused(t, "' or 1=1 --", REDIRECT_URI)
})

t.test('a client with several redirect URIs must name one (OAuth 2.1 2.3.2)', async (t) => {
  const redirectUris = [REDIRECT_URI, 'https://app.example/second']
  const several = await makeClient(server, { redirectUris })
  const silent = await ask(several.id)
  t.equal(silent.status, 400)
  t.equal(silent.headers.get('location'), null)
  for (const uri of redirectUris) await isTaken(t, several.id, uri)

  const single = await makeClient(server)
  t.equal((await ask(single.id)).status, 303, 'a client with one may leave it out')
})

t.test('a token request need not repeat the redirect URI (OAuth 2.1 10.2)', async (t) => {
  const person = await makePerson(server)
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

const OF_NO_CLIENT = [
  'http://app.example/callback',
  'http://localhost.evil.example/callback',
  'http://10.0.0.1/callback',
  'http://127.0.0.2/callback',
  'https://app.example/callback#fragment',
  'https://app.example/callback#',
  'https://user@app.example/callback',
  'https://user:password@app.example/callback',
  'https://@app.example/callback',
  'https://*.example/callback',
  'https://app.example/*',
  'https:app.example/callback',
  'https:/app.example/callback',
  'https://app.example\\callback',
  'https://app.example/call back',
  'https://app.example/callback\n',
  'https://app.example/callback\0',
  '//app.example/callback',
  '/callback',
  '',
  'myapp:/callback',
  'javascript:alert(1)',
  'JavaScript:alert(1)',
  'java\tscript:alert(1)',
  'data:text/html,hello',
  'vbscript:msgbox',
  'blob:https://app.example/1',
  'file:///etc/passwd',
]
const REFUSED = { code: 'invalid_redirect_uri' }
const OF_A_NATIVE_CLIENT = 'com.example.app:/callback'

t.test('no client is registered with a redirect URI that will not do (RFC 9700 2.6, OAuth 2.1 2.3.1)', async (t) => {
  const registering = (type: ClientType, uri: string) =>
    createClient(server.db, { name: 'An App', type, redirectUris: [REDIRECT_URI, uri] })

  for (const type of ['web', 'spa', 'native'] as const) {
    for (const uri of OF_NO_CLIENT) {
      await t.rejects(registering(type, uri), REFUSED, `${type}: ${JSON.stringify(uri)}`)
    }
    for (const host of ['localhost', '127.0.0.1', '[::1]']) {
      await t.resolves(registering(type, `http://${host}:8080/callback`), `${type}: http on ${host}`)
    }
  }
  await t.resolves(registering('native', OF_A_NATIVE_CLIENT), 'a scheme with a period is for native clients')
  await t.rejects(registering('web', OF_A_NATIVE_CLIENT), REFUSED, 'and for no others')
  await t.rejects(registering('spa', OF_A_NATIVE_CLIENT), REFUSED)
  await t.rejects(registering('machine', REDIRECT_URI), REFUSED, 'a machine has none')
})

t.test('nor does one register itself with it (RFC 7591 5, RFC 9700 2.6)', async (t) => {
  const kinds = [
    { application_type: 'web' },
    { application_type: 'web', token_endpoint_auth_method: 'none' },
    { application_type: 'native', token_endpoint_auth_method: 'none' },
  ]
  for (const kind of kinds) {
    t.equal((await register(server, { ...kind, redirect_uris: [REDIRECT_URI] })).status, 201)
    for (const uri of OF_NO_CLIENT) {
      const response = await register(server, { ...kind, redirect_uris: [REDIRECT_URI, uri] })
      t.equal(response.status, 400, `${JSON.stringify(kind)}: ${JSON.stringify(uri)}`)
      const error = uri.includes('\0') ? 'invalid_client_metadata' : 'invalid_redirect_uri'
      t.match(await response.json(), { error }, 'RFC 7591 3.2.2')
    }
  }
  const web = await register(server, { redirect_uris: [OF_A_NATIVE_CLIENT] })
  t.equal(web.status, 400, 'a private-use scheme is for native clients')
})
