import t from 'tap'
import { makeAdministrator } from '../fixtures/administrator.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const outside = await startGatehouse(t, { env: { ISSUER: 'https://auth.example', TRUST_PROXY: '127.0.0.1' } })
const admin = await makeAdministrator(server)
const CLIENTS = '/api/admin/clients'
const at = (id: string) => `${CLIENTS}/${encodeURIComponent(id)}`

t.test('a resource server that is left no resource is told of none (RFC 7662 4)', async (t) => {
  const { accessToken } = await signIn(server, await makePerson(server, 'admin'))
  const reader = await makeClient(server, { type: 'machine' })
  const isTold = async () => {
    const response = await clientPost(server, '/oauth/introspect', reader, { token: accessToken })
    return ((await response.json()) as { active: boolean }).active
  }
  t.equal(await isTold(), true, 'named no resources, it serves all')
  t.equal((await admin.change('PATCH', at(reader.id), { serves: [`${server.url}/api`] })).status, 200)
  t.equal(await isTold(), true)
  t.match(await admin.change('PATCH', at(reader.id), { serves: [] }), { status: 200, body: { serves: [] } })
  t.equal(await isTold(), false)
})

t.test('an OpenID scope that is taken from a client is in no token from then on (RFC 6749 6)', async (t) => {
  const scope = 'openid email profile offline_access profile:read'
  const app = await makeClient(server, { scope: scope.split(' ') })
  const person = await makePerson(server)
  const { redeem } = await authorize(server, app, person, { parameters: { scope, prompt: 'consent' } })
  const { access_token: before, refresh_token = '' } = await redeem()
  const told = async (token: string) =>
    (await server.fetch('/oauth/userinfo', { headers: bearer(token) })).json() as Promise<Record<string, unknown>>
  t.match(await told(before), { email: person.email })
  await admin.change('PATCH', at(app.id), { scope: 'openid offline_access profile:read' })
  t.strictSame(Object.keys(await told(before)), ['sub'], 'nor is it told by those of before')

  const refresh = await tokenRequest(server, app, { grant_type: 'refresh_token', refresh_token })
  const refreshed = (await refresh.json()) as { scope: string; access_token: string; id_token: string }
  t.strictSame(new Set(refreshed.scope.split(' ')), new Set(['openid', 'offline_access', 'profile:read']))
  t.strictSame(Object.keys(await told(refreshed.access_token)), ['sub'])
  t.notMatch(Buffer.from(refreshed.id_token.split('.')[1] ?? '', 'base64url').toString(), person.email)
})

t.test('an app that is no longer of our own asks the people (RFC 9700 4.14, OAuth 2.1 7.3.1)', async (t) => {
  const app = await makeClient(server, { firstParty: true })
  const { browser, redeem } = await authorize(server, app, await makePerson(server))
  const { access_token, refresh_token = '' } = await redeem()
  t.equal((await admin.change('PATCH', at(app.id), { first_party: false })).status, 200)
  t.equal(await meStatus(server, access_token), 401, 'nobody had allowed it')
  t.equal((await tokenRequest(server, app, { grant_type: 'refresh_token', refresh_token })).status, 400)
  const { url } = await authorizationRequest(app, {})
  t.match((await browser.goto(url.href)).html, /action="[^"]*\/consent"/)
  t.match((await new Browser(server).goto(url.href)).html, /name="password"/)
})

t.test('nobody looks around inside by the API: what is there is registered by command alone (CWE-918)', async (t) => {
  const ping = ['urn:openid:params:grant-type:ciba']
  const members = (url: string): object[] => [
    { backchannel_logout_uri: url },
    { jwks_uri: url, token_endpoint_auth_method: 'private_key_jwt' },
    {
      grant_types: ping,
      backchannel_token_delivery_mode: 'ping',
      backchannel_client_notification_endpoint: url,
    },
  ]
  const web = { client_name: 'App', client_type: 'web', redirect_uris: ['https://app.example/cb'] }
  const inside = ['https://10.0.0.1/x', 'https://169.254.169.254/x', 'https://[::ffff:a00:1]/x', 'https://[fd00::1]/x']
  const there = await makeAdministrator(outside)
  for (const [who, urls] of [
    [admin, inside],
    [there, [...inside, 'https://127.0.0.1/x', 'https://localhost/x', 'https://a.localhost./x']],
  ] as const) {
    for (const member of urls.flatMap(members)) {
      const { status, body } = await who.send('POST', CLIENTS, { ...web, ...member })
      t.match({ status, body }, { status: 400, body: { detail: /internal address/ } }, JSON.stringify(member))
    }
  }
  const made = await there.send('POST', CLIENTS, web)
  const path = at(made.body.client_id)
  const change = { backchannel_logout_uri: 'https://10.0.0.1/x' }
  t.equal((await there.change('PATCH', path, change)).status, 400)
  t.equal((await there.change('PATCH', path, { backchannel_logout_uri: 'https://rp.example/x' })).status, 200)
})
