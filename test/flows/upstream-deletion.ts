import t from 'tap'
import { makeAdministrator } from '../fixtures/administrator.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { startOddProvider } from '../fixtures/odd-provider.ts'
import { makePerson, signIn } from '../fixtures/people.ts'
import {
  joinFromElsewhere,
  makeUpstream,
  openBoth,
  registerUpstream,
  signInElsewhere,
  whoIs,
} from '../fixtures/upstream.ts'
import { meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const second = await startGatehouse(t)
const upstream = await makeUpstream(server, second)
const client = await makeClient(server, { firstParty: true })
const admin = await makeAdministrator(server)
const START = '/upstreams/second'

/** Whether the single sign-on of a browser gives a code without a page. */
async function isSignedOn(browser: Browser): Promise<boolean> {
  const { url } = await authorizationRequest(client, { scope: 'openid', prompt: 'none' })
  return new URL((await browser.goto(url.href)).url).searchParams.has('code')
}

t.test('deleting an upstream ends the sessions and single sign-ons that came of it (ASVS V7.4.3)', async (t) => {
  const browsers = openBoth(server, upstream)
  const [person, other] = [await makePerson(second), await makePerson(server)]
  const { url } = await authorizationRequest(client, { scope: 'openid', prompt: '' })
  const page = await browsers.here.goto(url.href)
  await joinFromElsewhere(browsers, `${new URL(page.url).pathname}${START}`, person)
  const { id, accessToken } = await whoIs(browsers.here)
  const byPassword = await signIn(server, other)
  t.ok(await isSignedOn(browsers.here))

  const events = await eventsOf(server.db, async () => {
    t.equal((await admin.change('DELETE', '/api/admin/upstreams/second')).status, 204)
  })
  const actor = { actorKind: 'account', actorId: admin.person.id }
  t.match(events, [
    { type: 'session.end', subjectId: id, ...actor },
    { type: 'grant.end', subjectId: id, ...actor },
    { type: 'upstream.delete', details: { upstream: 'second', sessions: 1 }, ...actor },
  ])
  t.equal(await meStatus(server, accessToken), 401)
  t.equal((await whoIs(browsers.here)).accessToken, '', 'it is not refreshed')
  t.notOk(await isSignedOn(browsers.here))
  t.equal(await meStatus(server, byPassword.accessToken), 200, 'what came of a password goes on')

  const { clientId, clientSecret } = upstream
  await registerUpstream(server, { id: 'second', issuer: second.url, clientId, clientSecret })
  await signInElsewhere(browsers, START, person)
  t.equal((await whoIs(browsers.here)).id, id, 'whose account is whose there is kept')
})

t.test('nobody is let in by an upstream that is deleted meanwhile', async (t) => {
  const provider = await startOddProvider(t, server, 'odd')
  const browser = new Browser(server)
  /** Leaves for the provider and comes back with a code. */
  const thereAndBack = async () => {
    const { searchParams } = new URL((await browser.goto('/upstreams/odd')).url)
    provider.claims = { nonce: searchParams.get('nonce'), email: 'ada@example.com' }
    const query = new URLSearchParams({ code: 'c', state: searchParams.get('state') ?? '' })
    return browser.goto(`/upstreams/odd/callback?${query}`)
  }
  const page = await thereAndBack()
  await browser.submit(page, page.form())
  t.ok(browser.cookies.has('gatehouse_refresh'))
  browser.cookies.delete('gatehouse_refresh')
  provider.instead.set('/token', async (_request, response) => {
    provider.instead.clear()
    await admin.change('DELETE', '/api/admin/upstreams/odd')
    const answer = await fetch(`${provider.issuer}/token`, { method: 'POST' })
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  })
  t.match({ ...(await thereAndBack()) }, { status: 400, html: /upstream_refused/ })
  t.notOk(browser.cookies.has('gatehouse_refresh'))
})
