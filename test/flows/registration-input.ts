import { once } from 'node:events'
import { createServer } from 'node:net'
import { generateKeyPair, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { createClient } from '../../src/clients/clients.ts'
import { clients } from '../../src/database/schema.ts'
import { makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { clientPost, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })

const metadata = { redirect_uris: [REDIRECT_URI], client_name: 'An App' }
const refused = async (t: Test, body: unknown, name: string) => {
  const response = await server.post('/oauth/register', body)
  t.equal(response.status, 400, name)
  t.match(await response.json(), { error: /^invalid_(client_metadata|redirect_uri|request)$/ }, 'RFC 7591 3.2.2')
}

t.test('metadata with broken Unicode or a NUL is refused (RFC 7591 3.2.2, RFC 8259 8.2)', async (t) => {
  const members = ['client_name', 'client_uri', 'scope', 'software_id', 'contacts', 'redirect_uris', 'unknown', 'jwks']
  for (const text of ['\\ud800', '\\udc00\\ud800', 'a\\udfffb', '\\u0000']) {
    for (const member of members) {
      await refused(t, `{"redirect_uris":["${REDIRECT_URI}"],"${member}":"${text}"}`, `${member}: ${text}`)
      await refused(t, `{"redirect_uris":["${REDIRECT_URI}"],"${member}":["${text}"]}`, `${member}: [${text}]`)
    }
    await refused(t, `{"redirect_uris":["${REDIRECT_URI}"],"x${text}":1}`, `a member ${text}`)
  }
})

t.test('metadata that is nested beyond reason is refused (RFC 7591 3.2.2)', async (t) => {
  for (const depth of [9, 1_000, 10_000, 20_000]) {
    for (const [open, close] of [['[', ']'] as const, ['{"a":', '}'] as const]) {
      if (depth * (open.length + close.length) > 50_000) continue
      const deep = open.repeat(depth) + close.repeat(depth).replace(/^/, open === '[' ? '' : '1')
      for (const member of ['redirect_uris', 'jwks', 'contacts', 'client_name', 'unknown']) {
        const body = `{"redirect_uris":["${REDIRECT_URI}"],"${member}":${deep}}`
        await refused(t, body, `${member} ${open} ${depth}`)
      }
    }
  }
})

t.test('a name that hides or turns what people read is refused, however it is registered (ASVS V10.7.2)', async (t) => {
  const hidden = [
    '\u0007',
    '\u007f',
    '\u0085',
    '\u00ad',
    '\u034f',
    '\u061c',
    '\u115f',
    '\u1160',
    '\u17b4',
    '\u180e',
    '\u200b',
    '\u200c',
    '\u200d',
    '\u200e',
    '\u200f',
    '\u2028',
    '\u2029',
    '\u202a',
    '\u202e',
    '\u2060',
    '\u2066',
    '\u2069',
    '\u2800',
    '\u3164',
    '\ufe0f',
    '\ufeff',
    '\uffa0',
    '\ufff9',
    '\ue000',
    '\u{e0041}',
    '\u{1d173}',
    '\u{f0000}',
  ]
  for (const character of hidden) {
    const name = `Ban${character}k`
    const shown = `U+${character.codePointAt(0)?.toString(16)}`
    await refused(t, { ...metadata, client_name: name }, shown)
    await t.rejects(
      createClient(server.db, { name, type: 'web', redirectUris: [REDIRECT_URI] }),
      { code: 'invalid_request' },
      `${shown}, by the operator`,
    )
  }
  for (const name of ['Crème Brûlée & Söhne', '日本語のアプリ', 'بنك', 'Cafe\u0301', '🚀 Launch']) {
    t.equal((await register(server, { ...metadata, client_name: name })).status, 201, name)
  }
})

const INTERNAL = [
  'https://localhost/jwks',
  'https://LOCALHOST:8443/jwks',
  'https://a.localhost/jwks',
  'https://localhost./jwks',
  'https://127.0.0.1/jwks',
  'https://127.1/jwks',
  'https://2130706433/jwks',
  'https://0x7f.1/jwks',
  'https://0177.0.0.1/jwks',
  'https://0.0.0.0/jwks',
  'https://10.1.2.3/jwks',
  'https://172.16.0.1/jwks',
  'https://192.168.1.1/jwks',
  'https://100.64.0.1/jwks',
  'https://169.254.169.254/latest/meta-data',
  'https://224.0.0.1/jwks',
  'https://255.255.255.255/jwks',
  'https://[::]/jwks',
  'https://[::1]/jwks',
  'https://[::ffff:127.0.0.1]/jwks',
  'https://[::127.0.0.1]/jwks',
  'https://[fe80::1]/jwks',
  'https://[fc00::1]/jwks',
  'https://[fd12::1]/jwks',
  'https://[64:ff9b::7f00:1]/jwks',
  'https://[2002:7f00:1::]/jwks',
]

t.test('a client does not name internal addresses for us to look at (RFC 7591 5, CWE-918)', async (t) => {
  for (const uri of [...INTERNAL, 'http://app.example/jwks', 'https://user@app.example/jwks', 'file:///etc/passwd']) {
    await refused(t, { ...metadata, token_endpoint_auth_method: 'private_key_jwt', jwks_uri: uri }, uri)
    await refused(t, { ...metadata, sector_identifier_uri: uri }, `sector: ${uri}`)
  }
  const good = { ...metadata, token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'https://app.example/jwks' }
  t.equal((await register(server, good)).status, 201)
})

t.test('nor are they looked at when a client names them all the same (CWE-918)', async (t) => {
  let connections = 0
  const listener = createServer((socket) => {
    connections += 1
    socket.destroy()
  }).listen(0, 'localhost')
  await once(listener, 'listening')
  t.teardown(() => listener.close())
  const { port } = listener.address() as { port: number }
  const { privateKey } = await generateKeyPair('ES256')

  for (const host of ['localhost', '127.0.0.1', '[::1]', '[::ffff:127.0.0.1]']) {
    const { id } = await makeClient(server)
    await server.db.insert(clients).values({
      id: `${id}x`,
      name: 'An App',
      type: 'web',
      redirectUris: [REDIRECT_URI],
      scope: ['openid'],
      metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks_uri: `https://${host}:${port}/jwks` },
    })
    const assertion = await new SignJWT({ jti: host })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(`${id}x`)
      .setSubject(`${id}x`)
      .setAudience(server.url)
      .setExpirationTime('1m')
      .sign(privateKey)
    const response = await clientPost(
      server,
      '/oauth/introspect',
      { id: `${id}x`, secret: undefined },
      {
        token: 'any',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      },
    )
    t.ok([400, 401].includes(response.status), `${host}: ${response.status}`)
    t.match(await response.json(), { error: /^invalid_client/ })
  }
  t.equal(connections, 0)
})
