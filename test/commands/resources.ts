import { decodeJwt, decodeProtectedHeader } from 'jose'
import t, { type Test } from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { clientPost } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const operator = createOperator(server.env)

const ORDERS = 'https://orders.example/api'
const create = (identifier: string, scope: string, ...more: string[]) => [
  'resources',
  'create',
  '--identifier',
  identifier,
  '--name',
  'Orders',
  '--scope',
  scope,
  ...more,
]

/** Has the operator register a machine client, and asks for a token for a resource with it. */
async function machineToken(t: Test, scope: string, resource: string) {
  const args = ['clients', 'create', '--name', 'Robot', '--type', 'machine', '--scope', scope]
  const made = await operator.run<{ client_id: string; client_secret: string }>(t, args)
  const client = { id: made.client_id, secret: made.client_secret }
  const response = await clientPost(server, '/oauth/token', client, {
    grant_type: 'client_credentials',
    scope,
    resource,
  })
  t.equal(response.status, 200)
  return { client, ...((await response.json()) as { access_token: string; scope: string }) }
}

t.test(
  'resources create answers what it registered, and a client gets a JWT for it (RFC 8707, RFC 9068)',
  async (t) => {
    t.strictSame(await operator.run(t, create(ORDERS, 'orders:read orders:write')), {
      identifier: ORDERS,
      name: 'Orders',
      scope: 'orders:read orders:write',
      sentences: { 'orders:read': 'Orders: orders:read', 'orders:write': 'Orders: orders:write' },
      format: 'jwt',
      access_token_lifetime: 600,
      signing_alg: 'ES256',
      authorization_details_types: [],
    })
    const { access_token, scope } = await machineToken(t, 'orders:read', ORDERS)
    t.equal(scope, 'orders:read')
    t.match(decodeJwt(access_token), { aud: ORDERS, scope: 'orders:read', iss: server.url })
    const me = await server.fetch('/api/me', { headers: { authorization: `Bearer ${access_token}` } })
    t.equal(me.status, 401, 'which is for that resource and not for ours')
  },
)

t.test('a resource may have opaque tokens, for introspection (RFC 7662)', async (t) => {
  const identifier = 'https://ledger.example/'
  const answer = await operator.run(t, create(identifier, 'ledger:read', '--format', 'opaque'))
  t.match(answer, { identifier, format: 'opaque' })
  const { client, access_token: token } = await machineToken(t, 'ledger:read', identifier)
  t.match(token, /^[\w-]+$/)
  const introspected = await clientPost(server, '/oauth/introspect', client, { token })
  t.match(await introspected.json(), { active: true, aud: identifier, scope: 'ledger:read', client_id: client.id })
})

t.test('what is no resource is refused, and what is taken', async (t) => {
  t.match(await operator.refused(t, create('https://orders.example/#top', 'a:b')), /absolute URI without a fragment/)
  t.match(await operator.refused(t, create(`${server.url}/other`, 'a:b')), /this server itself/)
  t.match(await operator.refused(t, create(ORDERS, 'a:b')), /registered already/)
  t.match(await operator.refused(t, create('https://x.example', 'openid')), /The scope openid is taken/)
  t.match(await operator.refused(t, create('https://x.example', '')), /--scope is missing/)
  t.match(await operator.refused(t, create('https://x.example', 'a b a')), /The scope a is there twice/)
  const sentence = (text: string) => operator.refused(t, create('https://x.example', 'a:b', '--scope-sentence', text))
  t.match(await sentence('b=B'), /there is no such scope/)
  t.match(await sentence('a:b'), /is "SCOPE=Sentence"/)
  const format = await operator.refused(t, create('https://x.example', 'a:b', '--format', 'saml'))
  t.match(format, /--format is one of jwt, opaque/)
})

t.test('resources create registers types of authorization details, which no other has (RFC 9396 2)', async (t) => {
  const type = (text: string) => ['--authorization-details-type', text]
  const bank = create('https://bank.example/api', 'bank:read', ...type('payment(amount,note?)=Pay'), ...type('p2=Pay'))
  t.match(await operator.run(t, bank), { authorization_details_types: ['p2', 'payment'] })
  const described = await eventually(
    async () => (await server.fetch('/.well-known/oauth-authorization-server')).text(),
    (text) => text.includes('p2'),
  )
  t.match(JSON.parse(described), { authorization_details_types_supported: ['p2', 'payment'] })
  const other = (text: string) => create('https://other.example/api', 'other:read', ...type(text))
  t.match(await operator.refused(t, other('payment=Pay')), 'is of https://bank.example/api already')
  for (const wrong of [
    'payment',
    '=Pay',
    'a b=Pay',
    'x(type)=Pay',
    'x(a,a?)=Pay',
    'constructor=Pay',
    '__proto__=Pay',
  ]) {
    await operator.refused(t, other(wrong))
  }
})

t.test('resources are listed, changed and deleted; what is not said stays', async (t) => {
  const URI = 'https://invoices.example/api'
  const options = ['--scope-sentence', 'inv:read=See your invoices', '--access-token-lifetime', '120']
  await operator.run(t, create(URI, 'inv:read inv:pay', ...options, '--signing-alg', 'RS256'))
  const { access_token } = await machineToken(t, 'inv:read', URI)
  t.match(decodeProtectedHeader(access_token), { alg: 'RS256' })
  const { iat = 0, exp = 0 } = decodeJwt(access_token)
  t.equal(exp - iat, 120)

  const changed = await operator.run(t, ['resources', 'update', URI, '--scope', 'inv:read inv:send', '--name', 'Bills'])
  const now = {
    identifier: URI,
    name: 'Bills',
    sentences: { 'inv:read': 'See your invoices', 'inv:send': 'Bills: inv:send' },
    access_token_lifetime: 120,
    signing_alg: 'RS256',
  }
  t.match(changed, now)
  const { resources } = await operator.run<{ resources: { identifier: string }[] }>(t, ['resources', 'list'])
  t.match(resources.at(-1), now)

  t.match(await operator.refused(t, ['resources', 'update', URI]), /say what to change/)
  t.match(await operator.run(t, ['resources', 'update', URI, '--scope', 'orders:read']), {
    scope: 'orders:read',
  })
  t.same(await operator.run(t, ['resources', 'delete', URI]), { identifier: URI, deleted: true })
  t.match(await operator.refused(t, ['resources', 'delete', URI]), /no such resource/)
})
