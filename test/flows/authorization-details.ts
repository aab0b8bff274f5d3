import { decodeJwt } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { createResource } from '../../src/resources/resources.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, makeClient, passPages, type RelyingParty } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { exchange, held, makeExchanger } from '../fixtures/exchange.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { clientPost } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const beside = await startGatehouse(t, { beside: server })
const person = await makePerson(server)
const BANK = 'https://bank.example/api'
const DIARY = 'https://diary.example/api'
const payment = { sentence: 'Pay from your account', required: ['amount', 'creditor'], optional: ['note'] }
const entry = { sentence: 'Read entries of your diary', required: [], optional: [] }
await createResource(server.db, server.url, {
  identifier: BANK,
  name: 'Bank',
  scopes: { balance: 'See your balance' },
  format: 'jwt',
  authorizationDetailsTypes: { payment },
})
await createResource(server.db, server.url, {
  identifier: DIARY,
  name: 'Diary',
  scopes: {},
  format: 'opaque',
  authorizationDetailsTypes: { 'diary:entry': entry },
})
const authorizationDetailsTypes = ['payment', 'diary:entry']
const client = await makeClient(server, { authorizationDetailsTypes, scope: ['openid', 'balance', 'profile:read'] })
const supported = async ({ fetch }: Pick<typeof server, 'fetch'>) =>
  ((await (await fetch('/.well-known/oauth-authorization-server')).json()) as Record<string, unknown>)
    .authorization_details_types_supported
for (const each of [server, beside]) {
  await eventually(
    () => supported(each),
    (types) => Array.isArray(types) && types.length === 2,
  )
}

const ONE = { type: 'payment', amount: '12.30 EUR', creditor: { name: 'Ada & Co', iban: ['x', 'y'] } }
const TWO = { type: 'payment', amount: '5 EUR', creditor: 'Bob', actions: ['initiate', 'cancel'], locations: [BANK] }
const DAY = { type: 'diary:entry', identifier: 'today' }

const ask = (details: unknown, more: Record<string, string> = {}, by: RelyingParty = client) =>
  authorizationRequest(by, {
    scope: '',
    authorization_details: typeof details === 'string' ? details : JSON.stringify(details),
    ...more,
  })

async function granted(details: unknown, more: Record<string, string> = {}, browser = new Browser(server)) {
  const { url, verifier, state } = await ask(details, more)
  const end = await passPages(browser, await browser.goto(url.href), person)
  const redeem = (parameters?: Record<string, string>) =>
    openid.authorizationCodeGrant(
      client.configuration,
      new URL(end.url),
      { pkceCodeVerifier: verifier, expectedState: state },
      parameters,
    )
  return { redeem, browser }
}

/** The code by which a request is refused; undefined when it is not. */
const errorOf = (request: Promise<unknown>) =>
  request.then(
    () => undefined,
    (error: { error?: string }) => error.error,
  )

const introspect = async (token: string) =>
  (await (await clientPost(server, '/oauth/introspect', client, { token })).json()) as Record<string, unknown>

t.test('what is asked for is shown in words, granted, and in token and introspection (RFC 9396 3, 7, 9)', async (t) => {
  const browser = new Browser(server)
  const { url, verifier, state } = await ask([ONE, TWO])
  const page = await browser.goto(url.href)
  const consent = await browser.submit(page, page.form('/login'), { email: person.email, password: person.password })
  t.match(consent.html, /Pay from your account/)
  const shown = ['12.30 EUR', 'creditor › name', 'Ada &amp; Co', 'creditor › iban', 'x, y', 'initiate, cancel', BANK]
  for (const text of shown) t.match(consent.html, text)
  let end = ''
  const events = await eventsOf(
    server.db,
    async () => {
      end = (await browser.submit(consent, consent.form('/consent'))).url
    },
    1,
  )
  t.match(events, [{ type: 'grant.give', details: { types: ['payment', 'payment'] } }])
  t.notMatch(JSON.stringify(events), /12\.30/, 'the audit has no contents')

  const tokens = await openid.authorizationCodeGrant(client.configuration, new URL(end), {
    pkceCodeVerifier: verifier,
    expectedState: state,
  })
  t.strictSame(tokens.authorization_details, [ONE, TWO])
  t.match(decodeJwt(tokens.access_token), { aud: BANK, authorization_details: [ONE, TWO] })
  t.strictSame((await introspect(tokens.access_token)).authorization_details, [ONE, TWO])
  const { accessToken } = await signIn(server, person)
  const grants = await (await server.fetch('/api/grants', { headers: bearer(accessToken) })).json()
  t.match(grants, { grants: [{ clientId: client.id, detailsTypes: ['payment'] }] })
})

t.test('a token holds those of its resource, opaque ones too (RFC 9396 7.1)', async (t) => {
  const { redeem } = await granted([ONE, DAY])
  const forBank = await redeem({ resource: BANK })
  t.strictSame(decodeJwt(forBank.access_token).authorization_details, [ONE])
  const forDiary = await openid.refreshTokenGrant(client.configuration, forBank.refresh_token ?? '', {
    resource: DIARY,
  })
  t.strictSame(forDiary.authorization_details, [DAY])
  t.match(await introspect(forDiary.access_token), { aud: DIARY, authorization_details: [DAY] })
})

t.test('a refresh keeps them, may narrow and never widens them (RFC 9396 6.1)', async (t) => {
  const { redeem } = await granted([ONE, TWO])
  const refresh = (token = '', parameters?: Record<string, string>) =>
    openid.refreshTokenGrant(client.configuration, token, parameters)
  const first = await redeem()
  const same = await refresh(first.refresh_token)
  t.strictSame(same.authorization_details, [ONE, TWO])
  const less = await refresh(same.refresh_token, { authorization_details: JSON.stringify([TWO]) })
  t.strictSame(less.authorization_details, [TWO])
  for (const wider of [{ ...ONE, amount: '9999 EUR' }, { ...TWO, actions: ['initiate'], note: 'x' }, DAY]) {
    const refused = refresh(less.refresh_token, { resource: BANK, authorization_details: JSON.stringify([wider]) })
    t.equal(await errorOf(refused), 'invalid_authorization_details', JSON.stringify(wider))
  }
})

t.test('at the token endpoint a code gives no more than was granted (RFC 9396 6)', async (t) => {
  const { redeem } = await granted([ONE, TWO])
  t.strictSame((await redeem({ authorization_details: JSON.stringify([ONE]) })).authorization_details, [ONE])
  const again = await granted([ONE])
  const refused = again.redeem({ authorization_details: JSON.stringify([TWO]) })
  t.equal(await errorOf(refused), 'invalid_authorization_details')
})

t.test('each time the person is asked, and another request has none of it (RFC 9396 3)', async (t) => {
  const { browser } = await granted([ONE])
  const silent = await browser.goto((await ask([ONE], { prompt: 'none' })).url.href)
  t.match(silent.url, 'error=consent_required')
  const { url, verifier, state } = await authorizationRequest(client, { scope: 'openid', prompt: 'consent' })
  const end = await passPages(browser, await browser.goto(url.href), person)
  const tokens = await openid.authorizationCodeGrant(client.configuration, new URL(end.url), {
    pkceCodeVerifier: verifier,
    expectedState: state,
  })
  t.notOk('authorization_details' in tokens)
  const ours = await makeClient(server, { firstParty: true, authorizationDetailsTypes, scope: ['openid'] })
  const page = await browser.goto((await ask([ONE], { prompt: '' }, ours)).url.href)
  t.match(page.html, /Pay from your account/, 'also for an application of ours')
})

t.test('what is unknown, malformed or not allowed is refused, also when it is pushed (RFC 9396 5)', async (t) => {
  const wrong: Record<string, unknown> = {
    'no JSON': '{',
    'no array': { ...ONE },
    'no object': ['payment'],
    'no type': [{ amount: '1' }],
    'an unknown type': [{ type: 'unknown' }],
    'a type of JavaScript': [{ type: 'constructor' }],
    'a missing field': [{ type: 'payment', amount: '1' }],
    'an unknown field': [{ ...ONE, more: 1 }],
    'a field of another form': [{ ...ONE, actions: 'initiate' }],
    'another location': [{ ...ONE, locations: [DIARY] }],
    'one wrong among good ones': [ONE, { type: 'payment' }],
    'too many': Array.from({ length: 11 }, () => DAY),
    'too long': [{ ...ONE, amount: 'x'.repeat(8000) }],
    'too deep': [{ ...ONE, creditor: [[[[[[['x']]]]]]] }],
    'hidden text': [{ ...ONE, amount: '1\u202e000' }],
    'a NUL': [{ ...ONE, amount: '1\0' }],
  }
  for (const [name, details] of Object.entries(wrong)) {
    const { url } = await ask(details)
    const { searchParams } = new URL((await new Browser(server).goto(url.href)).url)
    t.equal(searchParams.get('error'), 'invalid_authorization_details', name)
    const pushed = await clientPost(server, '/oauth/par', client, Object.fromEntries(url.searchParams))
    t.match(await pushed.json(), { error: 'invalid_authorization_details' }, `${name}, pushed`)
  }
  const other = await makeClient(server, { scope: ['openid'] })
  const refusedFor = async (request: ReturnType<typeof ask>) =>
    new URL((await new Browser(server).goto((await request).url.href)).url).searchParams.get('error')
  t.equal(await refusedFor(ask([ONE], {}, other)), 'invalid_authorization_details', 'a client without the type')
  t.equal(await refusedFor(ask([ONE], { resource: DIARY })), 'invalid_authorization_details', 'another resource')
  const machine = await makeClient(server, { type: 'machine', scope: ['balance'], authorizationDetailsTypes })
  const alone = { resource: BANK, authorization_details: JSON.stringify([ONE]) }
  const forItself = await errorOf(openid.clientCredentialsGrant(machine.configuration, alone))
  t.equal(forItself, 'invalid_authorization_details', 'a client for itself, to whom no person gave it')
})

t.test('they may be pushed, and in a signed request, and beside scopes (RFC 9396 3, RFC 9126)', async (t) => {
  const { url, verifier, state } = await ask([ONE], { scope: 'openid balance' })
  const pushed = await openid.buildAuthorizationUrlWithPAR(client.configuration, url.searchParams)
  const browser = new Browser(server)
  const end = await passPages(browser, await browser.goto(pushed.href), person)
  const tokens = await openid.authorizationCodeGrant(client.configuration, new URL(end.url), {
    pkceCodeVerifier: verifier,
    expectedState: state,
    idTokenExpected: true,
  })
  t.match(decodeJwt(tokens.access_token), { aud: BANK, scope: 'balance', authorization_details: [ONE] })
})

t.test('a device cannot ask for them: they would not reach its tokens (RFC 9396 2, RFC 8628 3.1)', async (t) => {
  const device = await makeClient(server, { type: 'native', authorizationDetailsTypes, scope: ['openid'] })
  const details = JSON.stringify([{ type: 'payment', amount: '1', creditor: 'Shop' }])
  const parameters = { scope: 'openid', authorization_details: details }
  const response = await clientPost(server, '/oauth/device', device, parameters)
  t.equal(response.status, 400)
  t.match(await response.json(), { error: 'invalid_authorization_details' })
})

t.test(
  'an exchange for the same resource keeps what was granted, and drops nothing that limits (RFC 9396 6)',
  async (t) => {
    const exchanger = await makeExchanger(server, { serves: [BANK], scope: ['balance'] })
    const { redeem } = await granted([ONE], { scope: 'balance', resource: BANK })
    const { access_token } = await redeem()
    const got = await exchange(server, exchanger, held({ access_token }))
    t.same(decodeJwt(got.access_token).authorization_details, decodeJwt(access_token).authorization_details)
    t.match(got, { authorization_details: [ONE] })
  },
)
