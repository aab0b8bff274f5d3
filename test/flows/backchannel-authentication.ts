import { and, eq } from 'drizzle-orm'
import { decodeJwt } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { firstPartySessions, providerModels } from '../../src/database/schema.ts'
import { digest } from '../../src/secrets/opaque-token.ts'
import {
  ask,
  askOnWire,
  atRequests,
  backchannelTokens,
  listed,
  makeAsker,
  openLatest,
  pollOnce,
} from '../fixtures/backchannel.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const client = await makeAsker(server)

t.test('a client gets tokens once the person it names has allowed it (CIBA 7, 10.1, by openid-client)', async (t) => {
  const person = await makePerson(server)
  const asked = await ask(client, person, { binding_message: 'Pay 12.50 EUR, A-7' })
  t.match(asked, { auth_req_id: /^[\w-]{43}$/, expires_in: 600, interval: 5 })
  const polling = openid.pollBackchannelAuthenticationGrant(client.configuration, asked)

  const { browser, page } = await atRequests(server, person)
  t.match(page.html, 'Meadow Bank')
  t.match(page.html, 'Pay 12.50 EUR, A-7')
  t.match(page.html, /Read your name, e-mail address and role/, 'the list says the scopes in words')
  const request = await browser.goto(listed(page)[0] ?? '')
  t.match(request.html, /Pay 12\.50 EUR, A-7/)
  t.match(request.html, /Read your name, e-mail address and role/)
  t.match(request.html, /from 127\.0\.0\.1/)
  t.match(request.html, /somebody tells you to allow it/, 'and warns of what came of itself')
  t.match((await browser.submit(request, request.form('/allow'))).html, /Allowed/)
  t.strictSame(listed(await browser.goto('/requests')), [], 'it is not asked again')

  const tokens = await polling
  t.equal(tokens.claims()?.sub, person.id)
  t.match(tokens.claims(), { acr: 'urn:gatehouse:acr:password-recent', amr: ['pwd'] })
  t.equal(await meStatus(server, tokens.access_token), 200)
  const { sub } = await openid.fetchUserInfo(client.configuration, tokens.access_token, person.id)
  t.equal(sub, person.id, 'which userinfo takes too (OpenID Connect Core 5.3.1)')
  const refreshed = await openid.refreshTokenGrant(client.configuration, tokens.refresh_token ?? '')
  t.equal(await meStatus(server, refreshed.access_token), 200, 'and refreshes them')

  const again = await pollOnce(server, client, asked.auth_req_id)
  t.match(again, { status: 400, error: 'invalid_grant' }, 'an auth_req_id is good once')
  t.equal(await meStatus(server, refreshed.access_token), 401, 'and a second use ends what came of it')
})

t.test('until it is answered the client waits, and no faster than it was told (CIBA 11)', async (t) => {
  const person = await makePerson(server)
  const { auth_req_id: id } = await ask(client, person)
  t.match(await pollOnce(server, client, id), { status: 400, error: 'authorization_pending' })
  t.match(await pollOnce(server, client, id), { status: 400, error: 'slow_down' })
  const { browser, page } = await openLatest(server, person)
  await browser.submit(page, page.form('/deny'))
  for (let time = 0; time < 2; time += 1)
    t.match(await pollOnce(server, client, id), { status: 400, error: 'access_denied' })
  t.equal((await browser.goto(page.url)).status, 400, 'and the question is not asked again')

  const { auth_req_id: old } = await ask(client, person)
  await expire(old)
  t.match(await pollOnce(server, client, old), { status: 400, error: 'expired_token' })
  t.strictSame(listed(await browser.goto('/requests')), [])

  t.match(await pollOnce(server, client, 'nothing'), { status: 400, error: 'invalid_grant' })
  const other = await makeAsker(server)
  const { auth_req_id: theirs } = await ask(client, person)
  t.match(await pollOnce(server, other, theirs), { status: 400, error: 'invalid_grant' }, 'another client')
})

t.test('who is named by an ID token is asked, whoever else is signed in (CIBA 7.1)', async (t) => {
  const person = await makePerson(server)
  const { id_token = '' } = await backchannelTokens(server, person, client)
  const asked = await askOnWire(server, client, { id_token_hint: id_token })
  t.equal(asked.status, 200)
  const { browser, page } = await openLatest(server, person)
  t.match(page.html, 'Meadow Bank')

  const stranger = await atRequests(server, await makePerson(server))
  t.strictSame(listed(stranger.page), [])
  for (const path of ['', '/allow', '/deny']) {
    const target = new URL(page.url).pathname + path
    const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' }
    const init = path === '' ? {} : { method: 'POST', headers, body: new URLSearchParams() }
    t.equal((await stranger.browser.request(target, init)).status, 400, 'another person neither sees nor answers it')
  }
  t.match((await browser.submit(page, page.form('/allow'))).html, /Allowed/)

  const other = await makeAsker(server)
  const forged = `${id_token.slice(0, -3)}AAA`
  for (const [by, hint] of [
    [other, id_token],
    [client, forged],
    [client, 'x'],
  ] as const)
    t.match(await askOnWire(server, by, { id_token_hint: hint }), { status: 400, error: 'invalid_request' })
})

t.test(
  'a sign-in that is older, or of another class, than asked for is made anew (CIBA 7.1, RFC 9470 4)',
  async (t) => {
    const person = await makePerson(server)
    for (const parameter of [
      { max_age: '0' },
      { max_age: '600' },
      { acr_values: 'urn:gatehouse:acr:password-recent' },
    ] as Record<string, string>[]) {
      const { browser } = await atRequests(server, person)
      const hourAgo = new Date(Date.now() - 3_600_000)
      await server.db.update(firstPartySessions).set({ authenticatedAt: hourAgo })
      const { auth_req_id: id } = await ask(client, person, parameter)
      const [path = ''] = listed(await browser.goto('/requests'))
      const again = await browser.goto(path)
      t.match(again.html, /confirm it is you/, JSON.stringify(parameter))
      const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' }
      const early = await browser.request(`${path}/allow`, { method: 'POST', headers, body: new URLSearchParams() })
      t.match(await early.text(), /confirm it is you/)
      t.match(await pollOnce(server, client, id), { error: 'authorization_pending' })
      const { email, password } = person
      const page = await browser.submit(again, again.form('/sign-in'), { email, password })
      await browser.submit(page, page.form('/allow'))
      const { id_token = '' } = await pollOnce(server, client, id)
      const claims = decodeJwt(id_token)
      t.ok(Number(claims.auth_time) > hourAgo.getTime() / 1000 + 1800)
      t.equal(claims.acr, 'urn:gatehouse:acr:password-recent')
    }
  },
)

t.test('how long it waits is the client’s to ask, within half an hour (CIBA 7.1 requested_expiry)', async (t) => {
  const person = await makePerson(server)
  const expiries = { '45': 45, '1800': 1800, '99999999': 1800 }
  for (const [requested_expiry, expires_in] of Object.entries(expiries))
    t.match(await askOnWire(server, client, { login_hint: person.email, requested_expiry }), {
      status: 200,
      expires_in,
    })
  for (const requested_expiry of ['0', '-1', '1.5', 'x'])
    t.match(await askOnWire(server, client, { login_hint: person.email, requested_expiry }), {
      status: 400,
      error: 'invalid_request',
    })
})

t.test('what it got is listed and taken back like the rest (RFC 7009 2, ASVS V10.7.3)', async (t) => {
  const person = await makePerson(server)
  const tokens = await backchannelTokens(server, person, client)
  t.equal(await meStatus(server, tokens.access_token ?? ''), 200)
  const jwt = bearer((await signIn(server, person)).accessToken)
  const { grants } = (await (await server.fetch('/api/grants', { headers: jwt })).json()) as { grants: object[] }
  t.match(grants, [{ clientName: 'Meadow Bank' }])
  const token = tokens.refresh_token ?? ''
  t.equal((await clientPost(server, '/oauth/revoke', client, { token })).status, 200)
  t.equal(await meStatus(server, tokens.access_token ?? ''), 401)
})

t.test(
  'without offline access it ends with the sign-in in which it was allowed (OpenID Connect Core 11)',
  async (t) => {
    const person = await makePerson(server)
    const { auth_req_id: id } = await ask(client, person, { scope: 'openid profile:read' })
    const { browser, page } = await openLatest(server, person)
    await browser.submit(page, page.form('/allow'))
    const { access_token = '' } = await pollOnce(server, client, id)
    t.equal(await meStatus(server, access_token), 200)
    const out = await browser.goto('/oauth/logout')
    await browser.submit(out, out.form('/confirm'), { logout: 'yes' })
    t.equal(await meStatus(server, access_token), 401)
  },
)

t.test('what is no text in a request keeps nobody from answering it', async (t) => {
  const person = await makePerson(server)
  const odd = { acr_values: 'a\0 urn:gatehouse:acr:password', nonce: 'a\0', ui_locales: '\0', request_context: '\0' }
  const { auth_req_id = '' } = await askOnWire(server, client, { login_hint: person.email, ...odd })
  const { browser, page } = await openLatest(server, person)
  t.match((await browser.submit(page, page.form('/allow'))).html, /Allowed/)
  const { id_token = '' } = await pollOnce(server, client, auth_req_id)
  t.match(decodeJwt(id_token), { acr: 'urn:gatehouse:acr:password', sub: person.id })
})

t.test('no other site answers for a person (RFC 9700 4.7)', async (t) => {
  const person = await makePerson(server)
  const { auth_req_id: id } = await ask(client, person)
  const { browser, page } = await openLatest(server, person)
  for (const headers of [{ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, {}] as object[]) {
    const init = { method: 'POST', headers: headers as Record<string, string>, body: new URLSearchParams() }
    t.equal((await browser.request(page.form('/allow').action, init)).status, 403)
  }
  t.match(await pollOnce(server, client, id), { error: 'authorization_pending' })
})

async function expire(request: string): Promise<void> {
  const isRequest = and(eq(providerModels.id, digest(request)))
  const [row] = await server.db.select().from(providerModels).where(isRequest)
  const payload = { ...row?.payload, exp: Math.floor(Date.now() / 1000) - 1 }
  await server.db.update(providerModels).set({ payload }).where(isRequest)
}
