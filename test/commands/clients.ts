import t, { type Test } from 'tap'
import { accessToken, CALLBACK, create, type Made, requestToken } from '../fixtures/client-commands.ts'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { makePerson } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const operator = createOperator(server.env)

async function makeMachine(t: Test) {
  const made = await operator.run<Made>(t, create('--type', 'machine', '--scope', 'profile:read'))
  return { id: made.client_id, secret: made.client_secret }
}

t.test('clients create shows the secret of a client that can keep one, and of no other (RFC 6749 2.1)', async (t) => {
  for (const type of ['web', 'machine']) {
    const redirects = type === 'web' ? ['--redirect-uri', CALLBACK] : []
    const made = await operator.run<Made>(t, create('--type', type, ...redirects))
    t.strictSame(Object.keys(made), ['client_id', 'client_secret'])
    t.match(made, { client_id: /^client_[0-9a-f]{32}$/, client_secret: /^[\w-]{43}$/ })
  }
  for (const [type, uri] of [
    ['spa', CALLBACK],
    ['native', 'com.example.app:/callback'],
  ] as const) {
    t.strictSame(Object.keys(await operator.run(t, create('--type', type, '--redirect-uri', uri))), ['client_id'])
  }
})

t.test('clients list tells what was registered, and no secret', async (t) => {
  const redirects = ['--redirect-uri', CALLBACK, '--redirect-uri', 'http://127.0.0.1:8000/cb']
  const made = await operator.run<Made>(
    t,
    create('--type', 'web', ...redirects, '--scope', 'openid email', '--first-party'),
  )
  const { clients, ...rest } = await operator.run<{ clients: Record<string, unknown>[] }>(t, ['clients', 'list'])
  t.strictSame(rest, {})
  const listed = clients.find(({ client_id }) => client_id === made.client_id)
  t.strictSame(listed, {
    client_id: made.client_id,
    name: 'An App',
    type: 'web',
    role: 'service',
    redirect_uris: [CALLBACK, 'http://127.0.0.1:8000/cb'],
    scope: 'openid email',
    first_party: true,
    dynamic: false,
    access_token_format: null,
    require_pushed_authorization_requests: false,
    grant_types: ['authorization_code', 'refresh_token'],
    serves: null,
    dpop_bound_access_tokens: false,
    authorization_details_types: [],
    profile: null,
    require_signed_request_object: false,
    created_at: listed?.created_at,
  })
  t.notOk(JSON.stringify(clients).includes(made.client_secret ?? ''))
})

t.test('clients rotate-secret: the old secret is dead within a second, the new one works', async (t) => {
  const client = await makeMachine(t)
  t.equal((await requestToken(server, client)).status, 200)
  const rotated = await operator.run<Made>(t, ['clients', 'rotate-secret', client.id])
  t.strictSame(Object.keys(rotated), ['client_id', 'client_secret'])
  t.equal(rotated.client_id, client.id)
  t.not(rotated.client_secret, client.secret)

  const refused = await eventually(
    () => requestToken(server, client),
    ({ status }) => status === 401,
  )
  t.match(await refused.json(), { error: 'invalid_client' })
  t.equal((await requestToken(server, { id: client.id, secret: rotated.client_secret })).status, 200)
})

t.test('clients delete: neither the client nor its tokens are good any more', async (t) => {
  const machine = await makeMachine(t)
  const token = await accessToken(server, machine)
  const app = await makeClient(server)
  const { redeem } = await authorize(server, app, await makePerson(server))
  const tokens = await redeem()
  t.strictSame([await meStatus(server, token), await meStatus(server, tokens.access_token)], [200, 200])

  for (const { id } of [machine, app]) {
    t.strictSame(await operator.run(t, ['clients', 'delete', id]), { client_id: id, deleted: true })
  }
  for (const each of [token, tokens.access_token]) {
    t.equal(
      await eventually(
        () => meStatus(server, each),
        (status) => status === 401,
      ),
      401,
    )
  }
  const refused = await eventually(
    () => requestToken(server, machine),
    ({ status }) => status === 401,
  )
  t.match(await refused.json(), { error: 'invalid_client' })
  const refreshed = await clientPost(server, '/oauth/token', app, {
    grant_type: 'refresh_token',
    refresh_token: tokens.refresh_token ?? '',
  })
  t.match(await refreshed.json(), { error: 'invalid_client' })
  const { clients } = await operator.run<{ clients: Made[] }>(t, ['clients', 'list'])
  t.notOk(clients.some(({ client_id }) => client_id === machine.id || client_id === app.id))
})

t.test('clients registration-token issues a token to register with (RFC 7591 3)', async (t) => {
  const register = (headers: Record<string, string>) =>
    server.post('/oauth/register', { client_name: 'Self made', redirect_uris: [CALLBACK] }, headers)
  t.equal((await register({})).status, 401)
  const issued = await operator.run<{ initial_access_token: string }>(t, ['clients', 'registration-token'])
  const registered = await register({ authorization: `Bearer ${issued.initial_access_token}` })
  t.equal(registered.status, 201)
  for (const days of ['0', '366', '1.5', 'many']) {
    const refused = await operator.refused(t, ['clients', 'registration-token', '--days', days])
    t.match(refused, /--days is a number from 1 to 365/, days)
  }
})

t.test('a redirect URI that will not do is refused (RFC 9700 2.6, OAuth 2.1 2.3.1)', async (t) => {
  for (const [type, uri, problem] of [
    ['web', 'http://app.example/callback', /must be https/],
    ['web', 'https://app.example/callback#top', /must not have a fragment/],
    ['web', '/callback', /is not an absolute URI/],
    ['spa', 'com.example.app:/callback', /must be https/],
    ['native', 'example:/callback', /must have a scheme with a period/],
    ['native', 'JavaScript:alert(1)', /must be https/],
    ['spa', 'https://bücher.example/callback', /must be written as https:\/\/xn--bcher-kva\.example\/callback/],
    ['native', 'https://app.example/callback/..;/evil', /two ways/],
  ] as const) {
    t.match(await operator.refused(t, create('--type', type, '--redirect-uri', uri)), problem, `${type} ${uri}`)
  }
  t.match(await operator.refused(t, create('--type', 'web')), /needs a redirect URI/)
  const machine = create('--type', 'machine', '--redirect-uri', CALLBACK)
  t.match(await operator.refused(t, machine), /has no redirect URI/)
})

t.test('what else was typed wrong is refused', async (t) => {
  const web = ['--type', 'web', '--redirect-uri', CALLBACK]
  for (const [args, problem] of [
    [['clients', 'create', ...web], /--name is missing/],
    [['clients', 'create', '--name', ' ', ...web], /needs a name/],
    [create('--redirect-uri', CALLBACK), /--type is missing/],
    [create('--type', 'robot'), /--type is one of web, spa, native, machine/],
    [create(...web, '--scope', 'quo"te'), /is not a scope/],
    [create(...web, '--access-token-format', 'paseto'), /--access-token-format is one of jwt, opaque/],
    [['clients', 'create', '--name', 'An', 'App', ...web], /Unexpected argument 'App'/],
    [['clients', 'rotate-secret'], /give one client identifier/],
    [['clients', 'rotate-secret', 'client_nobody'], /no such client with a secret/],
    [['clients', 'delete'], /give one client identifier/],
    [['clients', 'delete', 'client_nobody'], /no such client/],
    [['clients', 'delete', 'one', 'two'], /give one client identifier/],
  ] as const) {
    t.match(await operator.refused(t, args), problem)
  }
  const { id } = await makeClient(server, { type: 'spa' })
  t.match(await operator.refused(t, ['clients', 'rotate-secret', id]), /no such client with a secret/)
})
