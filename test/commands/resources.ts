import { decodeJwt } from 'jose'
import t, { type Test } from 'tap'
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
      format: 'jwt',
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
  for (const identifier of ['orders', '/api', 'https://orders.example/#top', 'https://orders.example/a b']) {
    t.match(await operator.refused(t, create(identifier, 'a:b')), /absolute URI without a fragment/, identifier)
  }
  t.match(await operator.refused(t, create(`${server.url}/other`, 'a:b')), /this server itself/)
  t.match(await operator.refused(t, create(ORDERS, 'a:b')), /registered already/)
  t.match(await operator.refused(t, create('https://x.example', 'openid')), /The scope openid is taken/)
  t.match(await operator.refused(t, create('https://x.example', 'admin:read')), /The scope admin:read is taken/)
  t.match(await operator.refused(t, create('https://x.example', 'quo"te')), /is not a scope/)
  t.match(await operator.refused(t, create('https://x.example', '')), /--scope is missing/)
  const format = await operator.refused(t, create('https://x.example', 'a:b', '--format', 'saml'))
  t.match(format, /--format is one of jwt, opaque/)
})
