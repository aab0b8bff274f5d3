import { eq } from 'drizzle-orm'
import * as openid from 'openid-client'
import t from 'tap'
import { firstPartySessions, providerModels } from '../../src/database/schema.ts'
import { digest } from '../../src/secrets/opaque-token.ts'
import { makeClient, tokenRequest } from '../fixtures/clients.ts'
import { atDevicePage, begin, openRequest, poll, type } from '../fixtures/device.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const client = await makeClient(server, { type: 'native', name: 'Meadow TV', redirectUris: [] })

t.test('a device gets tokens once a person has allowed it (RFC 8628 3, by openid-client)', async (t) => {
  const person = await makePerson(server)
  const device = await begin(client)
  t.match(device, { verification_uri: `${server.url}/device`, expires_in: 600, interval: 5 })
  t.match(device.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/, 'no letter like another (6.1)')
  t.equal(device.verification_uri_complete, `${server.url}/device?user_code=${device.user_code}`)

  const polling = openid.pollDeviceAuthorizationGrant(client.configuration, device)
  const { browser, page } = await openRequest(server, person, device.user_code.toLowerCase().replace('-', ' '))
  t.match(page.html, 'Meadow TV')
  t.match(page.html, /Read your name, e-mail address and role/, 'says each scope in a sentence')
  t.match(page.html, /somebody sent you a code/, 'and warns of codes that came from elsewhere (5.4)')
  const done = await browser.submit(page, page.form('/allow'))
  t.match(done.html, /Allowed/)

  const tokens = await polling
  t.equal(tokens.claims()?.sub, person.id)
  t.equal(await meStatus(server, tokens.access_token), 200)
  const refreshed = await openid.refreshTokenGrant(client.configuration, tokens.refresh_token ?? '')
  t.equal(await meStatus(server, refreshed.access_token), 200, 'and refreshes them')

  const again = await poll(server, client, device.device_code)
  t.equal(again.status, 400)
  t.match(await again.json(), { error: 'invalid_grant' }, 'a device code is good once')
  t.equal(await meStatus(server, refreshed.access_token), 401, 'and a second use ends what came of it')
})

t.test('until it is answered the device waits, and no faster than it was told (RFC 8628 3.5)', async (t) => {
  const person = await makePerson(server)
  const { device_code, user_code } = await begin(client)
  t.match(await (await poll(server, client, device_code)).json(), { error: 'authorization_pending' })
  t.match(await (await poll(server, client, device_code)).json(), { error: 'slow_down' })

  const { browser, page } = await openRequest(server, person, user_code)
  await browser.submit(page, page.form('/deny'))
  for (let time = 0; time < 2; time += 1) {
    const answer = await poll(server, client, device_code)
    t.equal(answer.status, 400)
    t.match(await answer.json(), { error: 'access_denied' })
  }
  t.equal((await browser.goto(page.url)).status, 400, 'and the question is not asked again')

  const old = await begin(client)
  await expire(old.device_code)
  t.match(await (await poll(server, client, old.device_code)).json(), { error: 'expired_token' })
  const late = await openRequest(server, person, old.user_code)
  t.equal(late.page.status, 400)

  t.match(await (await poll(server, client, 'nothing')).json(), { error: 'invalid_grant' })
  const other = await makeClient(server, { type: 'native', redirectUris: [] })
  const theirs = await begin(client)
  t.match(await (await poll(server, other, theirs.device_code)).json(), { error: 'invalid_grant' }, 'another client')
})

t.test(
  'without offline access it ends with the sign-in in which it was allowed (OpenID Connect Core 11)',
  async (t) => {
    const person = await makePerson(server)
    const allow = async (scope: string) => {
      const { device_code, user_code } = await begin(client, { scope })
      const { browser, page } = await openRequest(server, person, user_code)
      await browser.submit(page, page.form('/allow'))
      const tokens = (await (await poll(server, client, device_code)).json()) as Record<string, string>
      t.equal(await meStatus(server, tokens.access_token ?? ''), 200)
      const out = await browser.goto('/oauth/logout')
      await browser.submit(out, out.form('/confirm'), { logout: 'yes' })
      const again = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' }
      const refreshed = await tokenRequest(server, client, again)
      return [await meStatus(server, tokens.access_token ?? ''), refreshed.status]
    }
    t.strictSame(await allow('openid profile:read'), [401, 400])
    t.strictSame(await allow('openid profile:read offline_access'), [200, 200])
  },
)

t.test('what a device got is listed and taken back like the rest (RFC 7009 2, ASVS V10.7.3)', async (t) => {
  const owner = await makePerson(server)
  const device = await begin(client)
  const { browser, page } = await openRequest(server, owner, device.user_code)
  await browser.submit(page, page.form('/allow'))
  const tokens = (await (await poll(server, client, device.device_code)).json()) as Record<string, string>
  const jwt = bearer((await signIn(server, owner)).accessToken)
  const { grants } = (await (await server.fetch('/api/grants', { headers: jwt })).json()) as { grants: object[] }
  t.match(grants, [{ clientName: 'Meadow TV', host: null }])
  const token = tokens.refresh_token ?? ''
  t.equal((await clientPost(server, '/oauth/revoke', client, { token })).status, 200)
  t.equal(await meStatus(server, tokens.access_token ?? ''), 401)
})

t.test('a sign-in that is older than the device asked for is made anew (OpenID Connect Core 3.1.2.1)', async (t) => {
  const person = await makePerson(server)
  for (const max_age of ['0', '600']) {
    const { browser, page } = await atDevicePage(server, person)
    const hourAgo = new Date(Date.now() - 3_600_000)
    await server.db.update(firstPartySessions).set({ authenticatedAt: hourAgo })
    const { device_code, user_code } = await begin(client, { max_age })
    const signIn = await type(browser, page, user_code)
    t.match(signIn.html, /confirm it is you/, max_age)
    const path = `/requests/${signIn.form().fields.request}/allow`
    const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' }
    t.match(
      await (await browser.request(path, { method: 'POST', headers, body: new URLSearchParams() })).text(),
      /confirm it is you/,
    )
    t.match(await (await poll(server, client, device_code)).json(), { error: 'authorization_pending' })
    const { email, password } = person
    const asked = await browser.submit(signIn, signIn.form('/sign-in'), { email, password })
    t.match(asked.html, /Meadow TV/, 'then it goes on, in the session that replaces the old one')
    await browser.submit(asked, asked.form('/allow'))
  }

  const { device_code, user_code } = await begin(client, { max_age: '600' })
  const { browser, page } = await openRequest(server, person, user_code)
  await browser.submit(page, page.form('/allow'))
  const tokens = (await (await poll(server, client, device_code)).json()) as { id_token: string }
  const claims = JSON.parse(Buffer.from(tokens.id_token.split('.')[1] ?? '', 'base64url').toString())
  t.match(claims, { auth_time: Number })
})

t.test('who may not, and what is wrong, is refused (RFC 8628 3.2, RFC 6749 5.2)', async (t) => {
  const post = async (by: Parameters<typeof clientPost>[2], parameters: Record<string, string>) => {
    const response = await clientPost(server, '/oauth/device', by, parameters)
    return [response.status, ((await response.json()) as { error?: string }).error]
  }
  const web = await makeClient(server)
  t.strictSame(await post(web, { scope: 'openid' }), [400, 'unauthorized_client'], 'not its grant type')
  t.strictSame(await post({ id: 'client_unknown', secret: undefined }, { scope: 'openid' }), [401, 'invalid_client'])
  t.strictSame(await post(client, {}), [400, 'invalid_scope'], 'nothing to consent to')
  t.strictSame(await post(client, { scope: 'nothing' }), [400, 'invalid_scope'])
  t.strictSame(await post(client, { scope: 'admin:read' }), [400, 'invalid_scope'])
  t.strictSame(await post(client, { scope: 'openid', resource: 'https://nowhere.example' }), [400, 'invalid_target'])
  const response = await tokenRequest(server, web, { grant_type: 'nonsense' })
  t.match(await response.json(), { error: 'unsupported_grant_type' })
})

t.test(
  'a device registers itself without a redirect URI, and people are told that nobody checked it (RFC 7591 2)',
  async (t) => {
    const person = await makePerson(server)
    const metadata = {
      client_name: 'Some TV',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: [],
      response_types: [],
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    }
    const response = await register(server, metadata)
    t.equal(response.status, 201)
    const { client_id, grant_types } = (await response.json()) as { client_id: string; grant_types: string[] }
    t.same([...grant_types].sort(), [...metadata.grant_types].sort())
    const begun = await clientPost(server, '/oauth/device', { id: client_id, secret: undefined }, { scope: 'openid' })
    t.equal(begun.status, 200)
    const { user_code } = (await begun.json()) as { user_code: string }
    const { page } = await openRequest(server, person, user_code)
    t.match(page.html, /Nobody has checked this app/)
  },
)

async function expire(deviceCode: string): Promise<void> {
  const [row] = await server.db
    .select()
    .from(providerModels)
    .where(eq(providerModels.id, digest(deviceCode)))
  const payload = { ...row?.payload, exp: Math.floor(Date.now() / 1000) - 1 }
  await server.db
    .update(providerModels)
    .set({ payload })
    .where(eq(providerModels.id, digest(deviceCode)))
}
