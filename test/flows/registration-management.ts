import { eq } from 'drizzle-orm'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { TOKEN_EXCHANGE } from '../../src/clients/grant-types.ts'
import { clients } from '../../src/database/schema.ts'
import { digest } from '../../src/secrets/opaque-token.ts'
import { authorize, makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { dumpDatabase } from '../fixtures/dump.ts'
import { stateOf, whileFailing } from '../fixtures/fault.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { basic, clientPost, meStatus, register } from '../fixtures/wire.ts'

const env = { CLIENT_REGISTRATION: 'open' }
const server = await startGatehouse(t, { env })
const OTHER_URI = 'https://app.example/other'
const METADATA = { client_name: 'Meadow', redirect_uris: [REDIRECT_URI] }

interface Registered {
  readonly [member: string]: unknown
  readonly client_id: string
  readonly client_secret?: string
  readonly registration_client_uri: string
  readonly registration_access_token: string
}

async function registered(metadata: object = METADATA): Promise<Registered> {
  const response = await register(server, metadata)
  if (response.status !== 201) throw new Error(await response.text())
  return (await response.json()) as Registered
}

interface Managing {
  readonly method?: string
  readonly token?: string
  readonly body?: object
  readonly on?: Gatehouse
}

async function manage(client: Registered, { method = 'GET', token, body, on = server }: Managing = {}) {
  const headers = { ...bearer(token ?? client.registration_access_token), 'content-type': 'application/json' }
  const path = new URL(client.registration_client_uri).pathname
  const response = await on.fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
  const text = await response.text()
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Registered & { error?: string } }
}

const put = (client: Registered, change: object, more: Managing = {}) =>
  manage(client, { method: 'PUT', body: { ...METADATA, client_id: client.client_id, ...change }, ...more })

/** Whether a client authenticates by this secret. */
async function knows({ client_id: id }: Registered, secret: string | undefined): Promise<boolean> {
  return (await clientPost(server, '/oauth/introspect', { id, secret }, { token: 'x' })).status === 200
}

async function isManagedBy(t: Test, client: Registered, token: string) {
  t.equal((await manage(client, { token })).status, 200)
}

t.test('a client reads what is registered of it (RFC 7592 2.1, 3)', async (t) => {
  const configuration = await openid.dynamicClientRegistration(
    new URL(server.url),
    { ...METADATA, scope: 'openid profile:read' },
    undefined,
    { execute: [openid.allowInsecureRequests] },
  )
  const client = configuration.clientMetadata() as unknown as Registered
  t.equal(client.registration_client_uri, `${server.url}/oauth/register/${client.client_id}`)
  const { status, body } = await manage(client)
  t.equal(status, 200)
  t.match(body, { ...METADATA, client_id: client.client_id, scope: 'openid profile:read', client_id_issued_at: Number })
  t.equal(body.registration_access_token, client.registration_access_token)
  t.equal(body.registration_client_uri, client.registration_client_uri)
  t.notOk('client_secret' in body, 'a secret is told once')
  const { client_secret: _, client_secret_expires_at: __, ...answered } = await registered()
  t.strictSame((await manage(answered)).body, answered, 'and is answered all that is registered (RFC 7591 3.2.1)')
  t.match(answered, { scope: /openid/, grant_types: ['authorization_code', 'refresh_token'] }, 'also by default')
  for (const ours of ['first_party', 'dynamic', 'allowed_scope']) t.notOk(ours in body, ours)
  const row = await server.db.query.clients.findFirst({ where: eq(clients.id, client.client_id) })
  t.notMatch(JSON.stringify(body), row?.secretDigest ?? '', 'nor is what we have of it')
})

t.test('a client replaces its metadata, and the token that it did it with (RFC 7592 2.2)', async (t) => {
  const client = await registered()
  const { status, body } = await put(client, { client_name: 'Field', redirect_uris: [OTHER_URI] })
  t.equal(status, 200)
  t.match(body, { client_name: 'Field', redirect_uris: [OTHER_URI], client_id: client.client_id })
  t.notOk('client_secret' in body)
  t.not(body.registration_access_token, client.registration_access_token)
  t.equal((await manage(client)).status, 401, 'which is used up')
  await isManagedBy(t, client, body.registration_access_token)
  t.ok(await knows(client, client.client_secret), 'its secret stays what it is')
  const { configuration } = await makeClient(server)
  const ask = (redirect_uri: string) =>
    server.fetch(
      openid.buildAuthorizationUrl(configuration, {
        ...{ client_id: client.client_id, redirect_uri, scope: 'openid' },
        ...{ code_challenge: digest('x'), code_challenge_method: 'S256' },
      }).href,
    )
  t.equal((await ask(OTHER_URI)).status, 303)
  t.equal((await ask(REDIRECT_URI)).status, 400, 'what is gone is gone')
})

t.test('the secret that a client tells of itself is compared (RFC 7592 2.2)', async (t) => {
  const client = await registered()
  const { client_secret = '' } = client
  for (const wrong of [`${client_secret}x`, digest(client_secret), '', 1]) {
    t.equal((await put(client, { client_secret: wrong })).status, 400, String(wrong))
  }
  t.equal((await put(client, { client_secret })).status, 200)
  t.ok(await knows(client, client_secret))
})

t.test('a secret comes and goes with what it is for (RFC 7591 3.2.1)', async (t) => {
  const client = await registered()
  const open = await put(client, { token_endpoint_auth_method: 'none' })
  t.equal(open.status, 200)
  t.notOk('client_secret' in open.body)
  t.notOk(await knows(client, client.client_secret))
  t.ok(await knows(client, undefined))
  const token = open.body.registration_access_token
  const kept = await put(client, { token_endpoint_auth_method: 'client_secret_basic' }, { token })
  t.equal(kept.status, 200)
  t.notOk(await knows(client, undefined))
  t.notOk(await knows(client, client.client_secret), 'the old one is not good again')
  t.ok(await knows(client, kept.body.client_secret))
})

t.test('what may not be registered may not be changed to, and the token is not used up (RFC 7592 2.2)', async (t) => {
  const client = await registered()
  const before = await stateOf(server.db)
  for (const change of [
    { client_id: 'client_x' },
    { client_id: undefined },
    { registration_access_token: client.registration_access_token },
    { registration_client_uri: client.registration_client_uri },
    { client_secret_expires_at: 0 },
    { client_id_issued_at: 1 },
    { redirect_uris: ['http://app.example/callback'] },
    { redirect_uris: [] },
    { scope: 'admin:read' },
    { first_party: true },
    { serves: [`${server.url}/api`] },
    { grant_types: ['authorization_code', TOKEN_EXCHANGE] },
    { dynamic: false },
    { allowed_scope: 'admin:read' },
    { grant_types: ['client_credentials'] },
    { client_name: 'Meadow \u202egnp' },
    { jwks_uri: 'https://10.0.0.1/jwks' },
    { software_statement: 'x' },
    { contacts: ['\ud800'] },
    { contacts: [[[[[[[[[[]]]]]]]]]] },
  ]) {
    t.equal((await put(client, change)).status, 400, JSON.stringify(change))
  }
  const { events: _, ...state } = await stateOf(server.db)
  t.match(state, { models: before.models, clients: before.clients, changes: before.changes })
  await isManagedBy(t, client, client.registration_access_token)
})

t.test('a client deletes itself with all that it got (RFC 7592 2.3)', async (t) => {
  const client = await registered()
  const person = await makePerson(server)
  const { configuration } = await makeClient(server)
  const app = { id: client.client_id, secret: client.client_secret, redirectUri: REDIRECT_URI, configuration }
  const { code, verifier } = await authorize(server, app, person, { parameters: { client_id: app.id } })
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT_URI }
  const answer = await server.fetch('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: basic(app),
  })
  const tokens = (await answer.json()) as Record<string, string>
  t.equal(await meStatus(server, tokens.access_token ?? ''), 200)
  t.equal((await manage(client, { method: 'DELETE' })).status, 204)
  t.equal(await meStatus(server, tokens.access_token ?? ''), 401)
  for (const method of ['GET', 'DELETE']) t.equal((await manage(client, { method })).status, 401, method)
  t.equal((await put(client, {})).status, 401)
  t.notOk(await knows(client, client.client_secret))
})

t.test('a client manages itself alone (RFC 7592 5)', async (t) => {
  const [client, another] = [await registered(), await registered()]
  const made = await makeClient(server)
  const operators = { ...client, registration_client_uri: `${server.url}/oauth/register/${made.id}` }
  const token = client.registration_access_token
  for (const [name, target] of Object.entries({ another, operators })) {
    t.equal((await manage(target, { token })).status, 401, name)
    t.equal((await put(target, { client_id: made.id }, { token })).status, 401, name)
    t.equal((await manage(target, { method: 'DELETE', token })).status, 401, name)
  }
  for (const wrong of ['x'.repeat(43), '', another.registration_access_token, client.client_secret ?? '']) {
    t.ok((await manage(client, { token: wrong })).status >= 400, 'by what is no such token')
  }
  await isManagedBy(t, client, token)
  await isManagedBy(t, another, another.registration_access_token)
})

t.test('of updates at one time one wins, and one token is good afterwards', async (t) => {
  const isAlone = server.env.DATABASE_URL === undefined
  const servers = isAlone ? [server] : [server, await startGatehouse(t, { env, beside: server })]
  const client = await registered()
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      put(client, { client_name: `Meadow ${i}` }, { on: servers[i % servers.length] }),
    ),
  )
  t.strictSame(answers.map(({ status }) => status).sort(), [200, ...Array(11).fill(401)])
  const winner = answers.find(({ status }) => status === 200)?.body
  const { body } = await manage(client, { token: winner?.registration_access_token ?? '' })
  t.equal(body.client_name, winner?.client_name)
})

t.test('a registration is there with the token that manages it, or not at all', async (t) => {
  const fault = { table: 'provider_models', when: `new.model = 'RegistrationAccessToken'` } as const
  const before = await server.db.$count(clients)
  t.equal(await whileFailing(server.db, fault, async () => (await register(server, METADATA)).status), 500)
  t.equal(await server.db.$count(clients), before)
  const client = await registered()
  t.equal(await whileFailing(server.db, fault, async () => (await put(client, { client_name: 'Field' })).status), 500)
  const { body } = await manage(client)
  t.equal(body.client_name, 'Meadow', 'an update is whole, too')
})

t.test('the token is nowhere in the database (ASVS V11.4.1)', async (t) => {
  const { registration_access_token: token, client_secret = '' } = await registered()
  const dump = await dumpDatabase(server.db)
  t.notMatch(dump, token)
  t.notMatch(dump, client_secret)
  t.match(dump, digest(token), 'but its digest')
})
