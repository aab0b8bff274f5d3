import { sql } from 'drizzle-orm'
import { decodeJwt } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, passPages, type RelyingParty } from '../fixtures/clients.ts'
import { exchange, makeExchanger } from '../fixtures/exchange.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'
import { clientPost } from '../fixtures/wire.ts'

const PASSWORD = 'urn:gatehouse:acr:password'
const RECENT = 'urn:gatehouse:acr:password-recent'
const ROUTE = '/api/protected/recent'

const server = await startGatehouse(t)
const person = await makePerson(server)
const client = await makeClient(server)

/** Has everybody have signed in an hour earlier than they did. */
async function anHourPasses() {
  await server.db.execute(sql`update first_party_sessions set authenticated_at = authenticated_at - interval '1 hour'`)
  await server.db.execute(sql`update provider_models set payload = jsonb_set(payload::jsonb, '{loginTs}',
    to_jsonb((payload ->> 'loginTs')::int - 3600))::json where model = 'Session'`)
}

/** Goes through the pages that come, and tells whether the password was asked for. */
async function again(browser: Browser, parameters: Record<string, string>, by: RelyingParty = client) {
  const { url, verifier, state } = await authorizationRequest(by, { prompt: '', ...parameters })
  const page = await browser.goto(url.href)
  const asked = page.html.includes('name="password"')
  const end = await passPages(browser, page, person)
  const tokens = await openid.authorizationCodeGrant(by.configuration, new URL(end.url), {
    pkceCodeVerifier: verifier,
    expectedState: state,
    ...(parameters.max_age === undefined ? {} : { maxAge: Number(parameters.max_age) }),
  })
  return { asked, tokens, idToken: tokens.claims() }
}

t.test('the API asks for a recent sign-in, and a new authorization gives it (RFC 9470 3, 4, 5)', async (t) => {
  for (const accessTokenFormat of ['jwt', 'opaque'] as const) {
    const by = await makeClient(server, { accessTokenFormat })
    const { browser } = await authorize(server, by, person)
    await anHourPasses()
    const stale = await again(browser, {}, by)
    t.equal(stale.asked, false, 'who is signed in is not asked')

    const challenged = await openid
      .fetchProtectedResource(by.configuration, stale.tokens.access_token, new URL(ROUTE, server.url), 'GET')
      .catch((error: unknown) => error as openid.WWWAuthenticateChallengeError)
    t.type(challenged, openid.WWWAuthenticateChallengeError)
    const [challenge] = (challenged as openid.WWWAuthenticateChallengeError).cause
    t.match(challenge?.parameters, { error: 'insufficient_user_authentication', max_age: '900' })

    const { asked, tokens } = await again(browser, { max_age: challenge?.parameters.max_age ?? '' }, by)
    t.equal(asked, true, 'the password is asked for')
    const opened = await openid.fetchProtectedResource(
      by.configuration,
      tokens.access_token,
      new URL(ROUTE, server.url),
      'GET',
    )
    t.equal(opened.status, 200)
  }
})

t.test('a refresh does not make a sign-in more recent (RFC 9068 2.2.1, RFC 9470 6.1)', async (t) => {
  const { browser } = await authorize(server, client, person)
  await anHourPasses()
  const { tokens, idToken } = await again(browser, {})
  const claims = decodeJwt(tokens.access_token)
  const refreshed = await openid.refreshTokenGrant(client.configuration, tokens.refresh_token ?? '')
  const after = decodeJwt(refreshed.access_token)
  for (const name of ['auth_time', 'acr', 'amr']) {
    t.strictSame(after[name], claims[name], name)
    t.strictSame(refreshed.claims()?.[name], idToken?.[name], `${name} in the ID token`)
  }
  t.match(after, { acr: PASSWORD, amr: ['pwd'], auth_time: Number })
  const response = await server.fetch(ROUTE, { headers: bearer(refreshed.access_token) })
  t.equal(response.status, 401)
})

t.test('ID token, access token and introspection tell how and when (RFC 9068 2.2.1, RFC 9470 6)', async (t) => {
  for (const accessTokenFormat of ['jwt', 'opaque'] as const) {
    const by = await makeClient(server, { accessTokenFormat })
    const { redeem } = await authorize(server, by, person)
    const { access_token, id_token = '' } = await redeem()
    const expected = { acr: RECENT, amr: ['pwd'], auth_time: Number }
    t.match(decodeJwt(id_token), expected)
    if (accessTokenFormat === 'jwt') t.match(decodeJwt(access_token), expected)
    const introspected = await clientPost(server, '/oauth/introspect', by, { token: access_token })
    t.match(await introspected.json(), { active: true, ...expected })
  }
})

t.test('acr_values: the first that is met, and the password for one that is not (RFC 9470 4, 5)', async (t) => {
  const { browser } = await authorize(server, client, person)
  const classes = async (acr_values: string) => {
    const { asked, tokens, idToken } = await again(browser, { acr_values })
    t.equal(decodeJwt(tokens.access_token).acr, idToken?.acr)
    return [asked, idToken?.acr]
  }
  t.strictSame(await classes(RECENT), [false, RECENT])
  t.strictSame(await classes(PASSWORD), [false, PASSWORD], 'who needs no more is told of no more')
  await anHourPasses()
  t.strictSame(await classes(PASSWORD), [false, PASSWORD])
  t.strictSame(await classes(`urn:none ${RECENT} ${PASSWORD}`), [false, PASSWORD])
  t.strictSame(await classes('urn:none'), [false, PASSWORD], 'what there is not is not asked for, nor claimed')
  const { url } = await authorizationRequest(client, { prompt: 'none', acr_values: RECENT })
  t.match((await browser.goto(url.href)).url, /error=login_required/)
  t.strictSame(await classes(`urn:none ${RECENT}`), [true, RECENT])
})

t.test('a first-party JWT and a token go by the sign-in; keys and clients have none (RFC 9470 3)', async (t) => {
  const status = async (headers: Record<string, string>) => {
    const response = await server.fetch(ROUTE, { headers })
    return [response.status, ((await response.json()) as { code?: string }).code]
  }
  const { accessToken } = await signIn(server, person)
  t.strictSame(await status(bearer(accessToken)), [200, undefined])
  const { apiKey } = await makeKey(server, person, ['profile:read'])
  t.strictSame(await status({ 'x-api-key': apiKey }), [403, 'credential_not_accepted'])
  const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
  const { access_token } = await openid.clientCredentialsGrant(machine.configuration)
  t.strictSame(await status(bearer(access_token)), [403, 'credential_not_accepted'])
  t.notOk('auth_time' in decodeJwt(access_token))
})

t.test('an exchange keeps when the person signed in, and a key is nobody’s sign-in (RFC 9470 6)', async (t) => {
  const exchanger = await makeExchanger(server)
  const status = async (token: string) => (await server.fetch(ROUTE, { headers: bearer(token) })).status
  const { accessToken } = await signIn(server, person)
  const ofPerson = await exchange(server, exchanger, { kind: 'first_party_jwt', token: accessToken })
  t.equal(decodeJwt(ofPerson.access_token).auth_time, decodeJwt(accessToken).auth_time)
  t.equal(await status(ofPerson.access_token), 200)
  const ofKey = await exchange(server, exchanger, { kind: 'api_key', token: (await makeKey(server, person)).apiKey })
  t.equal(decodeJwt(ofKey.access_token).auth_time, undefined)
  t.equal(await status(ofKey.access_token), 401)
})
