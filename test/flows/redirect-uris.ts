import t, { type Test } from 'tap'
import { authorize, makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const other = await makeClient(server, { redirectUris: ['https://other.example/callback'] })

/** An authorization request that is in order but for its client and redirect URI. */
function authorizationPath(parameters: Record<string, string>): string {
  return withQuery('/oauth/authorize', {
    response_type: 'code',
    scope: 'openid',
    state: 's',
    code_challenge: 'c'.repeat(43),
    code_challenge_method: 'S256',
    ...parameters,
  })
}

function ask(client_id: string, redirect_uri?: string): Promise<Response> {
  const parameters = redirect_uri === undefined ? { client_id } : { client_id, redirect_uri }
  return server.fetch(authorizationPath(parameters as Record<string, string>), { headers: { accept: 'text/html' } })
}

async function isRefused(t: Test, clientId: string, redirectUri: string): Promise<void> {
  const response = await ask(clientId, redirectUri)
  const shown = encodeURI(redirectUri)
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
    'https://app.example:/callback',
    'https://app.example:0443/callback',
    'https://app.example:80/callback',
    'https://app.example:65979/callback',
    'https://app.example:443@evil.example/callback',
    'https://app.example:@evil.example/callback',
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
    'https://app.example/callback/.',
    'https://app.example/callback/.;/',
    'https://app.example/callback;/../evil',
    'https://app.example/callback/%2e%2e;/evil',
    'https://app.example/callback%5c..%5cevil',
    'https://app.example/callback%00',
    'https://app.example/callback%0d%0aLocation:%20https://evil.example',
    'https://app.example/callback%3fnext=https://evil.example',
    'https://app.example/callback%23',
    'https://app.example/callback&next=https://evil.example',
    'https://app.example/callback,https://evil.example/',
    'https://app.example/callback https://evil.example/',
    'https://appxexample/callback',
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
    'https://ａpp.example/callback',
    'https://аpp.example/callback',
    'https://xn--pp-7kc.example/callback',
    'https://app.example／callback',
    'https://app\u00ad.example/callback',
    'https://[app.example]/callback',
    'https://[::ffff:5db8:d822]/callback',
    'https://[::1]/callback',
    'https:///app.example/callback',
    'https:app.example/callback',
    'https:\\\\app.example\\callback',
    'http://app.example/callback',
    '//app.example/callback',
    '/callback',
    'callback',
    'javascript:alert(1)//https://app.example/callback',
    'JavaScript:alert(1)',
    'java\tscript:alert(1)',
    'jAvAsCrIpT://app.example/callback%0aalert(1)',
    '\u0001javascript:alert(1)',
    'javascript\n:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:msgbox(1)',
    'blob:https://app.example/callback',
    'view-source:https://app.example/callback',
    'file:///app.example/callback',
    ' https://app.example/callback',
    'https://app.example/callback ',
    'https://app.example/callback\t',
    'https://app.example/call\r\nback',
    'https://app.example/callback\0',
    'https://app.example\t/callback',
    'https://app.\texample/callback',
    'ht\ntps://app.example/callback',
    '\ufeffhttps://app.example/callback',
    'https://app.example/callback\u2028',
    'https://app.example/call\u202eback',
    other.redirectUri,
  ]
  for (const uri of others) await isRefused(t, client.id, uri)
})

t.test('only the port of a loopback redirect URI of a native client may vary (OAuth 2.1 8.4.2)', async (t) => {
  const redirectUris = ['http://127.0.0.1/callback', 'http://[::1]:8080/callback', 'com.example.app:/callback']
  const native = await makeClient(server, { type: 'native', redirectUris: [...redirectUris] })
  for (const host of ['127.0.0.1:51004', '[::1]:51004', '[::1]', '127.0.0.1:', '127.0.0.1:051004']) {
    redirectUris.push(`http://${host}/callback`)
  }
  for (const uri of redirectUris) await isTaken(t, native.id, uri)
  const others = [
    'http://localhost:51004/callback',
    'http://127.0.0.2:51004/callback',
    'http://127.1:51004/callback',
    'http://2130706433:51004/callback',
    'http://127.0.0.1.evil.example:51004/callback',
    'http://127.0.0.1:51004@evil.example/callback',
    'http://user@127.0.0.1:51004/callback',
    'http://127.0.0.1:99999/callback',
    'http://127.0.0.1:51004:80/callback',
    'http://127.0.0.1:+51004/callback',
    'http://127.0.0.1:51004\\@evil.example/callback',
    'http://127.0.0.1.:51004/callback',
    'http://127.0.0.01:51004/callback',
    'http://0x7f.0.0.1:51004/callback',
    'http://0.0.0.0:51004/callback',
    'http://[0:0:0:0:0:0:0:1]:51004/callback',
    'http://[::0001]:51004/callback',
    'http://[::ffff:127.0.0.1]:51004/callback',
    'http://[::ffff:7f00:1]:51004/callback',
    'http://[::]:51004/callback',
    'http://[::1%25lo]:51004/callback',
    'http://[::1]evil.example:51004/callback',
    'http://::1:51004/callback',
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

t.test('a registered query is part of it, and is kept in the answer (OpenID Connect Core 3.1.2.1)', async (t) => {
  const redirectUri = 'https://app.example/callback?tenant=a'
  const client = await makeClient(server, { redirectUris: [redirectUri] })
  const { callback } = await authorize(server, client, await makePerson(server), { parameters: { scope: 'openid' } })
  t.match(callback.href, `${redirectUri}&code=`)
  for (const query of [
    '',
    '?',
    '?tenant=b',
    '?tenant=A',
    '?tenant=a&tenant=b',
    '?tenant=a&',
    '?x=1&tenant=a',
    '?tenant=%61',
  ]) {
    await isRefused(t, client.id, `https://app.example/callback${query}`)
  }
})

t.test('who is signed in and has consented is led to no other URI either (CVE-2025-4143)', async (t) => {
  const client = await makeClient(server)
  const { browser } = await authorize(server, client, await makePerson(server), { parameters: { scope: 'openid' } })
  const again = (redirect_uri: string) => browser.request(authorizationPath({ client_id: client.id, redirect_uri }))
  t.match((await again(REDIRECT_URI)).headers.get('location'), `${REDIRECT_URI}?code=`)
  for (const uri of [
    'https://evil.example/callback',
    `${REDIRECT_URI}/../evil`,
    other.redirectUri,
    'javascript:alert(1)',
  ]) {
    const response = await again(uri)
    t.equal(response.status, 400, uri)
    t.equal(response.headers.get('location'), null)
  }
})
