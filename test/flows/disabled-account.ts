import t from 'tap'
import { setDisabled } from '../../src/accounts/change-account.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, passPages, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, PASSWORD, signIn } from '../fixtures/people.ts'
import { clientPost } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const client = await makeClient(server)
const spa = await makeClient(server, { type: 'spa' })
const opaque = await makeClient(server, { accessTokenFormat: 'opaque' })
const ours = { origin: server.url, 'sec-fetch-site': 'same-origin' }

/** All that an account can get, taken before and tried after. */
async function makeEverything() {
  const owner = await makePerson(server)
  const browser = new Browser(server)
  const pending = await authorize(server, client, owner, { browser })
  const code = { grant_type: 'authorization_code', code: pending.code, code_verifier: pending.verifier }
  const tokens = await (await authorize(server, client, owner)).redeem()
  const ofSpa = await (await authorize(server, spa, owner)).redeem()
  const opaqueTokens = await (await authorize(server, opaque, owner)).redeem()
  const userinfo = await (await authorize(server, client, owner, { parameters: { scope: 'openid' } })).redeem()
  const session = await signIn(server, owner)
  const { apiKey } = await makeKey(server, owner)
  const refresh = (of: typeof client, { refresh_token = '' }: { refresh_token?: string | undefined }) =>
    tokenRequest(server, of, { grant_type: 'refresh_token', refresh_token })
  const me = (headers: Record<string, string>) => server.fetch('/api/me', { headers })

  const paths: Record<string, () => Promise<Response>> = {
    'first-party JWT': () => me(bearer(session.accessToken)),
    'API key': () => me({ 'x-api-key': apiKey }),
    'JWT access token': () => me(bearer(tokens.access_token)),
    'opaque access token': () => me(bearer(opaqueTokens.access_token)),
    'access token at userinfo': () => server.fetch('/oauth/userinfo', { headers: bearer(userinfo.access_token) }),
    'refresh token of a session': () => server.post('/api/auth/refresh', { refreshToken: session.refreshToken }),
    'refresh cookie': () => browser.request('/api/auth/refresh', { method: 'POST', headers: ours }),
    'refresh token of a client': () => refresh(client, tokens),
    'refresh token of a public client': () => refresh(spa, ofSpa),
    code: () => tokenRequest(server, client, { ...code, redirect_uri: client.redirectUri }),
    password: () => server.post('/api/auth/login/jwt', { email: owner.email, password: PASSWORD }),
  }
  return { owner, browser, paths, tokens, session }
}

t.test('what an account has is good while it is not disabled', async (t) => {
  const { paths } = await makeEverything()
  for (const [path, use] of Object.entries(paths)) t.equal((await use()).status, 200, path)
})

t.test('a disabled account is refused on every path, at once (ASVS V7.4.2, Keycloak CVE-2026-9798)', async (t) => {
  const { owner, browser, paths, tokens, session } = await makeEverything()
  await setDisabled(server.db, owner.id, true, new Date())
  for (const [path, use] of Object.entries(paths)) {
    const { status } = await use()
    t.ok(status === 401 || status === 400, `${path}: ${status}`)
  }
  for (const token of [tokens.access_token, tokens.refresh_token ?? '']) {
    const told = await clientPost(server, '/oauth/introspect', client, { token })
    t.match(await told.json(), { active: false }, 'introspection')
  }
  const change = { currentPassword: PASSWORD, newPassword: 'another long engine song' }
  t.equal((await server.post('/api/auth/password', change, bearer(session.accessToken))).status, 401)

  const refused = await server.post('/api/auth/login/jwt', { email: owner.email, password: PASSWORD })
  t.match(await refused.json(), { code: 'invalid_sign_in' }, 'a stranger cannot tell')
  const { url } = await authorizationRequest(client)
  const signedIn = await browser.goto(url.href)
  t.match(signedIn.html, /name="password"/, 'nor does the session of a browser count')
  const anew = new Browser(server)
  const page = await passPages(anew, await anew.goto(url.href), owner)
  t.equal(page.status, 401, 'and the sign-in page lets nobody in')
})
