import { sql } from 'drizzle-orm'
import { decodeJwt } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { setDisabled } from '../../src/accounts/change-account.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { authorizationRequest, makeClient, passPages } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import {
  joinFromElsewhere,
  leave,
  makeUpstream,
  openBoth,
  signInElsewhere,
  signInThere,
  whoIs,
} from '../fixtures/upstream.ts'

const server = await startGatehouse(t)
const second = await startGatehouse(t)
const upstream = await makeUpstream(server, second)
const client = await makeClient(server)
const START = '/upstreams/second'

t.test('a new person makes an account, and signs in to it from then on (OpenID Connect Core 3.1)', async (t) => {
  const person = await makePerson(second)
  const browsers = openBoth(server, upstream)
  t.match((await browsers.here.goto('/')).html, /href="\/upstreams\/second"><span>Continue with <bdi>Provider second/)
  const page = await signInElsewhere(browsers, START, person)
  t.equal(page.status, 200)
  t.equal(new URL(page.url).search, '', 'no code stays in the address')
  t.match(
    page.form().fields,
    { email: person.email, name: person.name },
    'what the upstream says is there to start from',
  )
  t.equal(browsers.here.cookies.has('gatehouse_refresh'), false, 'who has not said so has no account')
  const events = await eventsOf(server.db, async () => {
    const end = await browsers.here.submit(page, page.form())
    t.equal(new URL(end.url).pathname, '/')
  })
  t.match(events, [
    { type: 'account.create', outcome: 'success' },
    { type: 'identity.link', details: { issuer: second.url, subject: person.id } },
    { type: 'session.start', details: { upstream: second.url } },
  ])
  const { id, email } = await whoIs(browsers.here)
  t.equal(email, person.email)
  t.not(id, person.id)

  const anew = openBoth(server, upstream)
  const [started] = await eventsOf(server.db, async () => {
    t.equal(new URL((await signInElsewhere(anew, START, person)).url).pathname, '/')
  })
  t.match(started, { type: 'session.start', details: { upstream: second.url } })
  t.equal((await whoIs(anew.here)).id, id)

  const byPassword = await server.post('/api/auth/login/jwt', { email: person.email, password: person.password })
  t.equal(byPassword.status, 401, 'no password leads to that account')
})

t.test(
  'an application gets who signed in elsewhere, when, and by no method that we know (Core 2, RFC 8176)',
  async (t) => {
    const person = await makePerson(second)
    const browsers = openBoth(server, upstream)
    const { url, verifier, state } = await authorizationRequest(client)
    const signIn = await browsers.here.goto(url.href)
    const href = /href="(\/interaction\/[^"]*\/upstreams\/second)"/.exec(signIn.html)?.[1] ?? ''
    const consent = await joinFromElsewhere(browsers, href, person)
    const end = await browsers.here.submit(consent, consent.form('/consent'))
    const tokens = await openid.authorizationCodeGrant(client.configuration, new URL(end.url), {
      pkceCodeVerifier: verifier,
      expectedState: state,
    })
    const claims = tokens.claims()
    const [{ at } = { at: 0 }] = await second.db.execute<{ at: number }>(
      sql`select extract(epoch from date_trunc('second', max(authenticated_at)))::int as at from first_party_sessions`,
    )
    t.match(claims, { acr: 'urn:gatehouse:acr:upstream', auth_time: at })
    t.notOk(claims?.amr)
    t.match(decodeJwt(tokens.access_token), { acr: 'urn:gatehouse:acr:upstream', auth_time: at })
  },
)

t.test('a new sign-in that an application asks for is one at the upstream (Core 3.1.2.1)', async (t) => {
  const person = await makePerson(second)
  const browsers = openBoth(server, upstream)
  await joinFromElsewhere(browsers, START, person)
  for (const [parameters, isAsked] of [
    [{ prompt: 'login' }, { prompt: 'login', max_age: '0' }],
    [
      { prompt: '', max_age: '0' },
      { prompt: 'login', max_age: '0' },
    ],
  ] as const) {
    const { url } = await authorizationRequest(client, parameters)
    const page = await browsers.here.goto(url.href)
    t.match(page.html, /name="password"/, 'the session is not enough')
    const away = await leave(browsers, `${new URL(page.url).pathname}/upstreams/second`)
    t.match(Object.fromEntries(away.searchParams), isAsked)
    const asked = await browsers.there.goto(away.href)
    t.match(asked.html, /name="password"/, 'nor is the one there')
    const back = await passPages(browsers.there, asked, person)
    t.match((await browsers.here.goto(back.url)).html, /action="[^"]*\/consent"/)
  }
})

t.test('what is asked for by its class is not got elsewhere (RFC 9470 5)', async (t) => {
  const { url } = await authorizationRequest(client, { acr_values: 'urn:gatehouse:acr:password', prompt: '' })
  const browsers = openBoth(server, upstream)
  t.notMatch((await browsers.here.goto(url.href)).html, /\/upstreams\/second/)
  await joinFromElsewhere(browsers, START, await makePerson(second))
  const page = await browsers.here.goto(url.href)
  t.match(page.html, /name="password"/, 'a session of there is of another class')
})

t.test('an e-mail does not tell who somebody is: it links nobody, and takes nothing from its owner', async (t) => {
  const owner = await makePerson(server)
  const thief = await makePerson(second)
  await second.db.execute(
    sql`update accounts set email = ${owner.email}, email_key = ${owner.email} where id = ${thief.id}`,
  )
  const browsers = openBoth(server, upstream)
  const page = await joinFromElsewhere(browsers, START, { email: owner.email, password: thief.password })
  t.equal(page.status, 409)
  t.match(page.html, /If you have one already, sign in\./)
  t.equal(browsers.here.cookies.has('gatehouse_refresh'), false)
  const end = await browsers.here.submit(page, page.form(), { email: `else-${owner.email}` })
  t.equal(new URL(end.url).pathname, '/', 'another e-mail will do')
  t.not((await whoIs(browsers.here)).id, owner.id)
})

t.test('a disabled account is refused, whoever vouches for it (Keycloak CVE-2026-9798)', async (t) => {
  const person = await makePerson(second)
  const browsers = openBoth(server, upstream)
  await joinFromElsewhere(browsers, START, person)
  const { accessToken, id } = await whoIs(browsers.here)
  await setDisabled(server.db, id, true, new Date())
  t.equal((await server.fetch('/api/me', { headers: bearer(accessToken) })).status, 401)
  const events = await eventsOf(server.db, async () => {
    const page = await signInElsewhere(browsers, START, person)
    t.equal(page.status, 400)
    t.notMatch(page.html, /disabled/)
  })
  const details = { reason: 'upstream_refused', upstream: 'second' }
  t.match(events, [{ type: 'session.start', outcome: 'failure', subjectId: id, details }])
  await setDisabled(server.db, id, false, new Date())
  t.equal(new URL((await signInElsewhere(browsers, START, person)).url).pathname, '/')
})

t.test('where the operator makes accounts, nobody makes one this way', async (t) => {
  const closed = await startGatehouse(t, { env: { SIGN_UP: 'closed' } })
  const there = await makeUpstream(closed, second)
  const browsers = openBoth(closed, there)
  const page = await signInElsewhere(browsers, START, await makePerson(second))
  t.equal(page.status, 403)
  t.match(page.html, /sign_up_closed/)
  t.equal((await browsers.here.goto(`${START}/create-account`)).status, 400)
})

t.test('who declines there is back where the sign-in began', async (t) => {
  const browsers = openBoth(server, upstream)
  const { url } = await authorizationRequest(client)
  const page = await browsers.here.goto(url.href)
  const away = await leave(browsers, `${new URL(page.url).pathname}/upstreams/second`)
  const signIn = await browsers.there.goto(away.href)
  const declined = await browsers.there.submit(signIn, signIn.form('/abort'))
  t.equal((await browsers.here.goto(declined.url)).url, page.url)
  const fromHome = await signInThere(browsers, await leave(browsers, START), await makePerson(second))
  fromHome.searchParams.delete('code')
  fromHome.searchParams.set('error', 'access_denied')
  t.equal(new URL((await browsers.here.goto(fromHome.href)).url).pathname, '/')
})
