import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { noChromium, openWindow, startCallback, startChromium } from '../fixtures/chromium.ts'
import { authorizationRequest, makeClient, passPages, type RelyingParty } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)

/** A client that asks for its answers as JWTs and verifies them. */
async function jwtClient(more: Parameters<typeof makeClient>[1] = {}): Promise<RelyingParty> {
  const client = await makeClient(server, more)
  openid.useJwtResponseMode(client.configuration)
  return client
}

const keys = createRemoteJWKSet(new URL('/oauth/jwks', server.url))
const verify = async (response: string | null, client: RelyingParty) =>
  (await jwtVerify(response ?? '', keys, { issuer: server.url, audience: client.id, requiredClaims: ['exp'] })).payload

t.test('an answer comes as a JWT that a client verifies (JARM 2.1, 2.3.4)', async (t) => {
  const client = await jwtClient()
  const browser = new Browser(server)
  const { url, verifier, state } = await authorizationRequest(client)
  t.equal(url.searchParams.get('response_mode'), 'jwt')
  const end = new URL((await passPages(browser, await browser.goto(url.href), person)).url)
  t.strictSame([...end.searchParams.keys()], ['response'], 'with nothing beside it')
  const answer = await verify(end.searchParams.get('response'), client)
  t.strictSame(Object.keys(answer).sort(), ['aud', 'code', 'exp', 'iss', 'state'])
  t.ok((answer.exp ?? 0) - Date.now() / 1000 <= 600, 'for ten minutes at most')
  const tokens = await openid.authorizationCodeGrant(client.configuration, end, {
    pkceCodeVerifier: verifier,
    expectedState: state,
  })
  t.equal((await server.fetch('/api/me', { headers: bearer(tokens.access_token) })).status, 200)
})

t.test('a refusal comes as a JWT too, and to the client that asked (JARM 2.1)', async (t) => {
  const client = await jwtClient()
  const refuse = async (more: Record<string, string>) => {
    const { url } = await authorizationRequest(client, { prompt: 'none' })
    for (const [name, value] of Object.entries(more)) url.searchParams.set(name, value)
    return new URL((await new Browser(server).goto(url.href)).url)
  }
  const end = await refuse({})
  t.strictSame([...end.searchParams.keys()], ['response'])
  t.match(await verify(end.searchParams.get('response'), client), { error: 'login_required', state: String })
  const fragment = await refuse({ response_mode: 'fragment.jwt' })
  const response = new URLSearchParams(fragment.hash.slice(1)).get('response')
  t.match(await verify(response, client), { error: 'login_required' })
  t.match((await refuse({ response_mode: 'web_message.jwt' })).href, 'unsupported_response_mode')
})

t.test('an answer is no ID token (RFC 8725 3.11, 3.12)', async (t) => {
  const client = await jwtClient()
  const { url } = await authorizationRequest(client, { prompt: 'none' })
  const end = new URL((await new Browser(server).goto(url.href)).url)
  const id_token_hint = end.searchParams.get('response') ?? ''
  const hinted = (await authorizationRequest(client, { prompt: 'none', id_token_hint })).url
  hinted.searchParams.set('response_mode', 'query')
  t.match((await new Browser(server).goto(hinted.href)).url, 'error=invalid_request')
  const { html } = await new Browser(server).goto(withQuery('/oauth/logout', { id_token_hint }))
  t.match(html, 'invalid_request')
})

t.test('answers in Chromium, under the policy of our pages', { skip: noChromium }, async (t) => {
  const chromium = await startChromium(t)
  const callback = await startCallback(t)
  const client = await makeClient(server, { redirectUris: [callback.redirectUri] })

  for (const mode of ['form_post', 'form_post.jwt', 'query.jwt', 'jwt']) {
    for (const javaScriptEnabled of mode.startsWith('form_post') ? [true, false] : [true]) {
      await t.test(`${mode} ${javaScriptEnabled ? 'with' : 'without'} JavaScript, pushed`, async (t) => {
        const { page, faults } = await openWindow(t, chromium, { javaScriptEnabled })
        const { url } = await authorizationRequest(client)
        url.searchParams.set('response_mode', mode)
        const pushed = await openid.buildAuthorizationUrlWithPAR(client.configuration, url.searchParams)
        await page.goto(pushed.href)
        await page.fill('input[name=email]', person.email)
        await page.fill('input[name=password]', person.password)
        await page.click('form[action$="/login"] button[type=submit]')
        await page.waitForSelector('form[action$="/consent"]')
        const arrival = callback.arrival()
        await page.click('form[action$="/consent"] button')
        if (!javaScriptEnabled) await page.click('noscript button, button[type=submit]')
        const parameters = await arrival
        const answer = mode.endsWith('jwt')
          ? await verify(parameters.get('response'), client)
          : Object.fromEntries(parameters)
        t.match(answer, { code: String, iss: server.url })
        t.strictSame(faults, [])
      })
    }
  }
})
