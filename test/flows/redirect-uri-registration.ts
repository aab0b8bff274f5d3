import t from 'tap'
import { type ClientType, createClient } from '../../src/clients/clients.ts'
import { REDIRECT_URI } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { from } from '../fixtures/guessing.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open', TRUST_PROXY: '127.0.0.1' } })

let registrations = 0
/** A registration, from ever new networks: of one there may be 200 an hour. */
function register(metadata: object): Promise<Response> {
  registrations += 1
  return server.post('/oauth/register', metadata, from(`192.0.2.${registrations % 256}`))
}

const OF_NO_CLIENT = [
  'http://app.example/callback',
  'http://localhost.evil.example/callback',
  'http://10.0.0.1/callback',
  'http://127.0.0.2/callback',
  'http://127.0.0.1.evil.example/callback',
  'http://127.0.0.1@evil.example/callback',
  'http://localhost./callback',
  'http://0.0.0.0/callback',
  'http://127.1/callback',
  'http://2130706433/callback',
  'http://0x7f000001/callback',
  'http://0177.0.0.1/callback',
  'http://[::]/callback',
  'http://[::ffff:127.0.0.1]/callback',
  'http://[0:0:0:0:0:0:0:1]/callback',
  'http://[::1%25lo]/callback',
  'https://[app.example]/callback',
  'https://[2001:DB8::1]/callback',
  'https://APP.example/callback',
  'HTTPS://app.example/callback',
  'https://app.example./callback',
  'https://app.example:/callback',
  'https://app.example:443/callback',
  'https://app.example:08443/callback',
  'https://app.example:65536/callback',
  'https://bücher.example/callback',
  'https://аpp.example/callback',
  'https://app。example/callback',
  'https://app\u00ad.example/callback',
  'https://app.example/call\u202eback',
  'https://app.example/callback/..',
  'https://app.example/callback/../evil',
  'https://app.example/./callback',
  'https://app.example/callback/%2e%2e/evil',
  'https://app.example/callback/..;/evil',
  'https://app.example/callback/%2E%2e;/evil',
  'https://app.example/callback/.;/evil',
  'https://app.example/callback%2f..%2fevil',
  'https://app.example/callback%5C..%5Cevil',
  'https://app.example/callback%00',
  'https://app.example:443@evil.example/callback',
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
  'https://app.example\t/callback',
  ' https://app.example/callback',
  '\u0001javascript:alert(1)',
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
  'about:blank',
  'ws://app.example/callback',
  'view-source:https://app.example/',
  'intent://app.example/#Intent;end',
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
    t.equal((await register({ ...kind, redirect_uris: [REDIRECT_URI] })).status, 201)
    for (const uri of OF_NO_CLIENT) {
      const response = await register({ ...kind, redirect_uris: [REDIRECT_URI, uri] })
      t.equal(response.status, 400, `${JSON.stringify(kind)}: ${JSON.stringify(uri)}`)
      const error = uri.includes('\0') ? 'invalid_client_metadata' : 'invalid_redirect_uri'
      t.match(await response.json(), { error }, 'RFC 7591 3.2.2')
    }
  }
  const web = await register({ redirect_uris: [OF_A_NATIVE_CLIENT] })
  t.equal(web.status, 400, 'a private-use scheme is for native clients')
})

t.test('nor is it sent to one when a person has signed out (RP-Initiated Logout 3)', async (t) => {
  const asking = (uri: string) => register({ redirect_uris: [REDIRECT_URI], post_logout_redirect_uris: [uri] })
  t.equal((await asking('https://app.example/bye')).status, 201)
  for (const uri of OF_NO_CLIENT) t.equal((await asking(uri)).status, 400, JSON.stringify(uri))
})
