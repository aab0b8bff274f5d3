import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { eventsOf, type RecordedEvent } from '../fixtures/audit.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, passPages, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const person = await makePerson(server)
const admin = await makePerson(server, 'admin')
const client = await makeClient(server)
const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
const ours = await makeClient(server, { firstParty: true })

const json = async (response: Response) => (await response.json()) as Record<string, string>
const machineGrant = { grant_type: 'client_credentials', scope: 'profile:read' }
const machineToken = async () => (await json(await tokenRequest(server, machine, machineGrant))).access_token ?? ''

/** What an action must leave, in order: the type, and `!` when it failed; with whose it is, by which client and credential. */
interface Expected {
  readonly event: string
  readonly subject?: string | null
  readonly client?: string | null
  readonly credential?: string | null
  readonly details?: object
}

/** Runs what an action needs before, then holds what it leaves in the audit against what it must. */
async function leaves(t: Test, work: () => Promise<unknown>, expected: readonly Expected[]) {
  const events = await eventsOf(server.db, work, expected.length)
  const name = ({ type, outcome }: RecordedEvent) => (outcome === 'failure' ? `${type}!` : type)
  t.strictSame(
    events.map(name),
    expected.map(({ event }) => event),
  )
  for (const [index, { event, subject, client, credential, details }] of expected.entries()) {
    const found = events[index]
    t.match(found?.from, /^(::1|127\.0\.0\.1|::ffff:127\.0\.0\.1)$/, `${event} tells from where`)
    if (subject !== undefined) t.equal(found?.subjectId, subject, `${event} tells whose`)
    if (client !== undefined) t.equal(found?.clientId, client, `${event} tells by which client`)
    if (credential !== undefined) t.equal(found?.credentialKind, credential, `${event} tells by which credential`)
    if (details !== undefined) t.match(found?.details, details, `${event} tells more`)
  }
}

const session = 'first_party_session'
const of = { subject: person.id }

t.test('accounts and sessions', async (t) => {
  const email = 'new@example.com'
  await leaves(t, () => server.post('/api/auth/register', { email, password: person.password }), [
    { event: 'account.create', details: { role: 'user' } },
  ])
  await leaves(t, () => server.post('/api/auth/register', { email, password: person.password }), [
    { event: 'account.create!', subject: null, details: { reason: 'registration_refused' } },
  ])
  await leaves(t, () => signIn(server, person), [{ event: 'session.start', ...of, credential: session }])
  await leaves(t, () => server.post('/api/auth/login/jwt', { email: person.email, password: 'wrong one' }), [
    { event: 'session.start!', ...of, details: { reason: 'invalid_sign_in' } },
  ])
  await leaves(t, () => server.post('/api/auth/login/jwt', { email: 'nobody@example.com', password: 'wrong one' }), [
    { event: 'session.start!', subject: null, details: { reason: 'invalid_sign_in' } },
  ])
  const { accessToken, refreshToken } = await signIn(server, person)
  const refresh = () => server.post('/api/auth/refresh', { refreshToken })
  await leaves(t, refresh, [{ event: 'session.refresh', ...of, credential: session }])
  await leaves(t, () => server.post('/api/auth/logout', {}, bearer(accessToken)), [
    { event: 'session.end', ...of, credential: session },
  ])
})

t.test('a refresh token that is used again long after', async (t) => {
  const { refreshToken } = await signIn(server, person)
  const refresh = () => server.post('/api/auth/refresh', { refreshToken })
  const next = await json(await refresh())
  await leaves(t, refresh, [{ event: 'session.refresh', ...of, credential: session, details: { retry: true } }])
  await server.post('/api/auth/refresh', { refreshToken: next.refreshToken })
  await leaves(t, refresh, [
    { event: 'session.replay!', ...of, credential: session },
    { event: 'session.end', ...of, credential: session },
  ])
})

t.test('API keys', async (t) => {
  const { accessToken } = await signIn(server, person)
  const input = { name: 'k', permissions: ['keys:read', 'keys:write'] }
  let key: Record<string, string> = {}
  const generate = async () => {
    key = await json(await server.post('/api/auth/apikey/generate', input, bearer(accessToken)))
  }
  await leaves(t, generate, [
    { event: 'api_key.issue', ...of, credential: session, details: { scope: input.permissions } },
  ])
  const withKey = { 'x-api-key': key.apiKey ?? '' }
  let next: Record<string, string> = {}
  const rotate = async () => {
    next = await json(await server.post(`/api/keys/${key.id}/rotate`, { overlapSeconds: 600 }, withKey))
  }
  await leaves(t, rotate, [
    { event: 'api_key.rotate', ...of, credential: 'api_key', details: { key: key.id } },
    { event: 'api_key.issue', ...of, credential: 'api_key' },
  ])
  await leaves(t, () => server.fetch(`/api/keys/${next.id}`, { method: 'DELETE', headers: withKey }), [
    { event: 'api_key.revoke', ...of, credential: 'api_key', details: { key: next.id } },
  ])
})

t.test('tokens of a machine', async (t) => {
  const by = { subject: machine.id, client: machine.id }
  await leaves(t, machineToken, [
    {
      event: 'token.issue',
      ...by,
      credential: 'access_token',
      details: { grantType: 'client_credentials', scope: 'profile:read' },
    },
  ])
  const token = await machineToken()
  const revoke = () => clientPost(server, '/oauth/revoke', machine, { token })
  await leaves(t, revoke, [{ event: 'token.revoke', ...by }])
  await leaves(t, revoke, [])
  const other = await machineToken()
  await leaves(t, () => server.post('/api/auth/logout', {}, bearer(other)), [
    { event: 'token.revoke', ...by, credential: 'access_token' },
  ])
})

t.test('refusals of the engine', async (t) => {
  const wrong = { ...machine, secret: 'wrong' }
  await leaves(t, () => tokenRequest(server, wrong, machineGrant), [
    { event: 'client.authenticate!', client: machine.id, details: { reason: 'invalid_client', asked: 'token.issue' } },
  ])
  await leaves(t, () => clientPost(server, '/oauth/introspect', wrong, { token: 'x' }), [
    { event: 'client.authenticate!', client: machine.id, details: { asked: 'token.introspect' } },
  ])
  await leaves(t, () => tokenRequest(server, { ...wrong, id: 'nobody' }, machineGrant), [
    { event: 'client.authenticate!', client: null },
  ])
  await leaves(t, () => tokenRequest(server, machine, { ...machineGrant, scope: 'admin:write' }), [
    { event: 'token.issue!', client: machine.id, details: { reason: 'invalid_scope' } },
  ])
  const { url } = await authorizationRequest(client, { redirect_uri: 'https://evil.example/' })
  await leaves(t, () => server.fetch(url.href), [
    { event: 'authorization.request!', client: client.id, details: { reason: 'invalid_redirect_uri' } },
  ])
  await leaves(t, () => register(server, { redirect_uris: ['http://evil.example/'] }), [
    { event: 'client.register!', client: null, details: { reason: 'invalid_redirect_uri' } },
  ])
})

t.test('an authorization: sign-in, consent, code, refresh, revocation', async (t) => {
  const flow = { subject: person.id, client: client.id }
  let granted: Awaited<ReturnType<typeof authorize>> | undefined
  const run = async () => {
    granted = await authorize(server, client, person)
  }
  await leaves(t, run, [
    { event: 'session.start', ...of, credential: session },
    { event: 'grant.give', ...flow, credential: session, details: { openid: /openid/ } },
  ])
  let refreshToken = ''
  const redeem = async () => {
    refreshToken = (await granted?.redeem())?.refresh_token ?? ''
  }
  const issue = (grantType: string) => [
    { event: 'token.issue', ...flow, details: { grantType, grant: /^[\w-]{20,}$/ } },
  ]
  await leaves(t, redeem, issue('authorization_code'))
  const refresh = async () => {
    refreshToken = (await openid.refreshTokenGrant(client.configuration, refreshToken)).refresh_token ?? ''
  }
  const before = { grant_type: 'refresh_token', refresh_token: refreshToken }
  await leaves(t, refresh, issue('refresh_token'))
  await leaves(t, () => tokenRequest(server, client, before), [
    { event: 'token.issue', ...flow, details: { grantType: 'refresh_token', retry: true } },
  ])
  await leaves(t, () => clientPost(server, '/oauth/revoke', client, { token: refreshToken }), [
    { event: 'token.revoke', ...flow, details: { model: 'RefreshToken' } },
    { event: 'grant.end', ...flow, details: { at: 'revocation' } },
  ])
})

t.test('a code that is used again ends the grant', async (t) => {
  const flow = { subject: person.id, client: client.id }
  const { code, verifier, redeem } = await authorize(server, client, person)
  await redeem()
  const again = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: client.redirectUri }
  await leaves(t, () => tokenRequest(server, client, again), [
    { event: 'grant.end', ...flow, details: { at: 'token' } },
    { event: 'token.issue!', client: client.id, details: { reason: 'invalid_grant' } },
  ])
})

t.test('consent that is declined, assumed for a client of ours, and taken back', async (t) => {
  const browser = new Browser(server)
  const start = await browser.goto((await authorizationRequest(client)).url.href)
  await leaves(t, () => browser.submit(start, start.form('/abort')), [
    { event: 'grant.give!', subject: null, client: client.id, details: { prompt: 'login' } },
  ])
  const signedIn = await browser.goto((await authorizationRequest(client)).url.href)
  const { email, password } = person
  const consent = await browser.submit(signedIn, signedIn.form('/login'), { email, password })
  await leaves(t, () => browser.submit(consent, consent.form('/abort')), [
    { event: 'grant.give!', ...of, client: client.id, details: { reason: 'access_denied', prompt: 'consent' } },
  ])
  const assumed = async () => {
    const { url } = await authorizationRequest(ours, { prompt: '', scope: 'openid profile:read' })
    await passPages(browser, await browser.goto(url.href), person)
  }
  await leaves(t, assumed, [{ event: 'grant.give', ...of, client: ours.id, details: { assumed: true } }])
  const { accessToken } = await signIn(server, person)
  await leaves(t, () => server.fetch(`/api/grants/${ours.id}`, { method: 'DELETE', headers: bearer(accessToken) }), [
    { event: 'grant.revoke', ...of, client: ours.id, credential: session, details: { grants: [/./] } },
  ])
})

t.test('registration, administration, and what is forbidden', async (t) => {
  const registered = () => register(server, { redirect_uris: ['https://app.example/cb'] })
  await leaves(t, registered, [{ event: 'client.register', details: { type: 'web' } }])
  const { accessToken } = await signIn(server, admin)
  await leaves(t, () => server.fetch('/api/admin/users', { headers: bearer(accessToken) }), [
    { event: 'account.list', subject: admin.id, credential: session, details: { limit: 50 } },
  ])
  const { apiKey } = await makeKey(server, person)
  await leaves(t, () => server.fetch('/api/admin/users', { headers: { 'x-api-key': apiKey } }), [
    {
      event: 'api.request!',
      ...of,
      credential: 'api_key',
      details: { reason: 'insufficient_role', route: '/api/admin/users' },
    },
  ])
})
