import { randomUUID } from 'node:crypto'
import { and, eq, sql } from 'drizzle-orm'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { accounts, providerModels } from '../../src/database/schema.ts'
import { offerFirstAdministrator } from '../../src/setup/first-administrator.ts'
import { Browser, type Page } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { atDevicePage, begin, DEVICE_CODE, type } from '../fixtures/device.ts'
import { dpopHeaders, makeDpopKey, makeProof } from '../fixtures/dpop.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson, PASSWORD, signIn } from '../fixtures/people.ts'
import { type Answer, clientForm, getAtOnce, meStatus, postAtOnce, register } from '../fixtures/wire.ts'

/** Single use is one conditional statement each time: whoever comes at once, over two processes, one wins. */
const env = { CLIENT_REGISTRATION: 'open', TRUST_PROXY: '127.0.0.1' }
const server = await startGatehouse(t, { env })
const onPostgres = server.env.DATABASE_URL !== undefined
/** The embedded database serves one process, and one statement at a time. */
const servers = onPostgres ? [server, await startGatehouse(t, { env, beside: server })] : [server]
const [AT_ONCE, ROUNDS] = onPostgres ? [100, 20] : [20, 2]

const person = await makePerson(server)
const client = await makeClient(server)

async function inRounds(t: Test, race: (t: Test) => Promise<void>, rounds = ROUNDS): Promise<void> {
  for (let round = 1; round <= rounds && t.passing(); round += 1) await race(t)
}

/** The answers to one request sent so often at once. Who is told to come again later (503) was not in the race. */
const post = async (path: string, request: Parameters<typeof postAtOnce>[3]) =>
  (await postAtOnce(servers, path, AT_ONCE, request)).filter(({ status }) => status !== 503)

const succeeded = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 200)
const statusesOf = (answers: readonly Answer[]) => [...new Set(answers.map(({ status }) => status))].toSorted()

async function makeCode() {
  const { code, verifier } = await authorize(server, client, person)
  return { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, code_verifier: verifier }
}

t.test('one redeems a code, and keeps what it got (OAuth 2.1 4.1.3, ASVS V10.4.2)', (t) =>
  inRounds(t, async (t) => {
    const answers = await post('/oauth/token', clientForm(client, await makeCode()))
    t.strictSame(statusesOf(answers), [200, 400])
    const [winner, ...more] = succeeded(answers)
    t.equal(more.length, 0)
    t.ok(answers.every(({ status, body }) => status === 200 || body.error === 'invalid_grant'))
    for (const each of servers) t.equal(await meStatus(each, winner?.body.access_token ?? ''), 200)
  }),
)

t.test('a refresh token has one successor, which all get (OAuth 2.1 4.3.1, Keycloak CVE-2026-1035)', async (t) => {
  const { redeem } = await authorize(server, client, person)
  let token = (await redeem()).refresh_token ?? ''
  await inRounds(t, async (t) => {
    const parameters = { grant_type: 'refresh_token', refresh_token: token }
    const answers = await post('/oauth/token', clientForm(client, parameters))
    t.strictSame(statusesOf(answers), [200])
    const successors = new Set(answers.map(({ body }) => body.refresh_token))
    t.equal(successors.size, 1)
    t.equal(await meStatus(server, answers.at(-1)?.body.access_token ?? ''), 200)
    token = [...successors][0] ?? ''
  })
})

t.test('a refresh token of a session has one successor, which all get (RFC 9700 4.14.2)', async (t) => {
  let token = (await signIn(server, person)).refreshToken
  await inRounds(t, async (t) => {
    const body = { refreshToken: token }
    const answers = await post('/api/auth/refresh', { body, headers: {} })
    t.strictSame(statusesOf(answers), [200])
    const successors = new Set(answers.map(({ body }) => body.refreshToken))
    t.equal(successors.size, 1)
    t.equal(await meStatus(server, answers.at(-1)?.body.accessToken ?? ''), 200)
    token = [...successors][0] ?? ''
  })
})

t.test('a client assertion lets one request in (RFC 7523 3, Hydra GHSA-3p3g-vpw6-4w66)', async (t) => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const registered = await register(server, {
    redirect_uris: [REDIRECT_URI],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' }] },
  })
  const { client_id: id = '' } = (await registered.json()) as Record<string, string>
  await inRounds(t, async (t) => {
    const now = Math.floor(Date.now() / 1000)
    const assertion = await new SignJWT({ iss: id, sub: id, aud: server.url, jti: randomUUID(), iat: now })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setExpirationTime(now + 60)
      .sign(privateKey)
    const body = new URLSearchParams({
      token: 'unknown',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    })
    const answers = await post('/oauth/introspect', { body, headers: {} })
    t.equal(succeeded(answers).length, 1)
    t.ok(answers.every(({ status }) => status === 200 || status === 401 || status === 429))
  })
})

t.test('a DPoP proof lets one request in, at the API and at the token endpoint (RFC 9449 11.1)', async (t) => {
  const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
  const key = await makeDpopKey()
  const path = '/api/protected/any'
  await inRounds(t, async (t) => {
    const dpop = await makeProof(key, { method: 'POST', url: `${server.url}/oauth/token` })
    const { body, headers } = clientForm(machine, { grant_type: 'client_credentials' })
    const asked = await post('/oauth/token', { body, headers: { ...headers, dpop } })
    const [winner, ...more] = succeeded(asked)
    t.equal(more.length, 0)
    t.ok(asked.every(({ status, body }) => status === 200 || body.error === 'invalid_grant'))
    const good = await dpopHeaders(server, key, winner?.body.access_token ?? '', { path })
    const called = await getAtOnce(servers, path, AT_ONCE, good)
    t.equal(called.filter((status) => status === 200).length, 1)
    t.ok(called.every((status) => status === 200 || status === 401))
  })
})

t.test('consent that is given twice counts once (RFC 9700 4.5)', (t) =>
  inRounds(
    t,
    async (t) => {
      const owner = await makePerson(server)
      const browser = new Browser(server)
      const { url } = await authorizationRequest(client, { scope: 'openid profile:read' })
      const start = await browser.goto(url.href)
      const page = await browser.submit(start, start.form('/login'), { email: owner.email, password: PASSWORD })
      const { action, fields } = page.form('/consent')
      const cookie = [...browser.cookies].map(([name, { value }]) => `${name}=${value}`).join('; ')
      const answers = await post(new URL(action, page.url).pathname, {
        body: new URLSearchParams(fields),
        headers: { cookie, origin: server.url, 'sec-fetch-site': 'same-origin', accept: 'text/html' },
      })
      t.ok(answers.every(({ status }) => status === 303 || status === 400))
      const [resume, ...others] = new Set(answers.flatMap(({ headers }) => headers.location ?? []))
      t.equal(others.length, 0)
      const kept = and(eq(providerModels.accountId, owner.id), eq(providerModels.model, 'Grant'))
      t.equal(await server.db.$count(providerModels, kept), 1, 'one grant')
      t.match((await browser.goto(resume ?? '')).url, `${REDIRECT_URI}?code=`)
      const codes = and(eq(providerModels.accountId, owner.id), eq(providerModels.model, 'AuthorizationCode'))
      t.equal(await server.db.$count(providerModels, codes), 1, 'one code')
    },
    ROUNDS / 2,
  ),
)

let network = 0

t.test('a one-time link makes one administrator (ASVS V6.4.1)', (t) =>
  inRounds(
    t,
    async (t) => {
      await server.db.execute(sql`update accounts set role = 'user' where role = 'admin'`)
      const token = (await offerFirstAdministrator(server.db, new Date())) ?? ''
      const body = new URLSearchParams({ token, email: `first-${randomUUID()}@example.com`, password: PASSWORD })
      // From another network each time: who loses has presented a link that is not good.
      const headers = { origin: server.url, 'x-forwarded-for': `192.0.2.${(network += 1)}` }
      const answers = await post('/setup', { body, headers })
      t.equal(succeeded(answers).length, 1)
      t.ok(answers.every(({ status }) => status < 500))
      t.equal(await server.db.$count(accounts, eq(accounts.role, 'admin')), 1)
    },
    onPostgres ? 3 : 1,
  ),
)

t.test('a code of a device is opened once, answered once and redeemed once (RFC 8628 3.5, 5.4)', async (t) => {
  const tv = await makeClient(server, { type: 'native', redirectUris: [] })
  await inRounds(
    t,
    async (t) => {
      const people = await Promise.all([makePerson(server), makePerson(server)])
      const visits = await Promise.all(people.map((each) => atDevicePage(server, each)))
      const { device_code, user_code } = await begin(tv)
      const opened = await Promise.all(visits.map(({ browser, page }) => type(browser, page, user_code)))
      const [asked, ...others] = opened.filter(({ status }) => status === 200)
      t.equal(others.length, 0, 'of two people one has it')
      const winner = visits[opened.indexOf(asked as Page)] as (typeof visits)[0]

      const path = new URL(asked?.url ?? '').pathname
      const cookie = [...winner.browser.cookies].map(([name, { value }]) => `${name}=${value}`).join('; ')
      const headers = { cookie, origin: server.url, 'sec-fetch-site': 'same-origin', accept: 'text/html' }
      const body = new URLSearchParams()
      const answers = await post(`${path}/allow`, { body, headers })
      t.equal(succeeded(answers).length, 1)
      t.ok(answers.every(({ status }) => status === 200 || status === 400))
      const kept = and(eq(providerModels.clientId, tv.id), eq(providerModels.model, 'Grant'))
      t.equal(await server.db.$count(providerModels, kept), 1, 'one grant')

      const parameters = { grant_type: DEVICE_CODE, device_code }
      const redeemed = await post('/oauth/token', clientForm(tv, parameters))
      t.strictSame(statusesOf(redeemed), [200, 400])
      t.equal(succeeded(redeemed).length, 1)
      t.ok(redeemed.every(({ status, body }) => status === 200 || body.error === 'invalid_grant'))
      t.equal(await meStatus(server, succeeded(redeemed)[0]?.body.access_token ?? ''), 200)
      await server.db.delete(providerModels).where(eq(providerModels.clientId, tv.id))
    },
    onPostgres ? 5 : 1,
  )
})
