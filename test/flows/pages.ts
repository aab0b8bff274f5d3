import * as openid from 'openid-client'
import t from 'tap'
import { noChromium, openWindow, startCallback, startChromium } from '../fixtures/chromium.ts'
import { authorizationRequest, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'

t.test('the pages of an authorization request, in Chromium', { skip: noChromium }, async (t) => {
  const server = await startGatehouse(t)
  const person = await makePerson(server)
  const browser = await startChromium(t)
  const callback = await startCallback(t)
  const client = await makeClient(server, { redirectUris: [callback.redirectUri] })

  for (const javaScriptEnabled of [true, false]) {
    await t.test(`sign in, allow, and come back, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async (t) => {
      const { page, faults } = await openWindow(t, browser, { javaScriptEnabled })
      const { url, verifier, state } = await authorizationRequest(client)
      await page.goto(url.href)
      t.match(await page.textContent('main'), /Example App/)
      await page.fill('input[name=email]', person.email)
      await page.fill('input[name=password]', person.password)
      await page.click('form[action$="/login"] button[type=submit]')
      await page.waitForSelector('form[action$="/consent"]')
      t.match(await page.textContent('main'), /Read your name, e-mail address and role/)
      const arrival = callback.arrival()
      await page.click('form[action$="/consent"] button')
      const back = new URL(`${callback.redirectUri}?${await arrival}`)
      t.match(await page.waitForSelector('h1').then((h1) => h1.textContent()), 'Back in the app')

      const tokens = await openid.authorizationCodeGrant(client.configuration, back, {
        pkceCodeVerifier: verifier,
        expectedState: state,
      })
      t.equal((await server.fetch('/api/me', { headers: bearer(tokens.access_token) })).status, 200)
      t.strictSame(faults, [])
    })
  }

  await t.test('who is signed in at "/" goes straight to consent, and may deny', async (t) => {
    const { page, faults } = await openWindow(t, browser)
    await page.goto(server.url)
    await page.fill('#email', person.email)
    await page.fill('#password', person.password)
    await page.click('#sign-in-form button[type=submit]')
    await page.waitForSelector('#me-email:visible')
    await page.goto((await authorizationRequest(client)).url.href)
    await page.waitForSelector('form[action$="/consent"]')
    const arrival = callback.arrival()
    await page.click('form[action$="/abort"] button')
    t.equal((await arrival).get('error'), 'access_denied')
    t.strictSame(faults, [])
  })

  await t.test('an answer by form_post arrives (OAuth 2.0 Form Post Response Mode 2)', async (t) => {
    const { page, faults } = await openWindow(t, browser)
    await page.goto((await authorizationRequest(client, { response_mode: 'form_post' })).url.href)
    await page.fill('input[name=email]', person.email)
    await page.fill('input[name=password]', person.password)
    await page.keyboard.press('Enter')
    await page.waitForSelector('form[action$="/consent"]')
    const arrival = callback.arrival()
    await page.click('form[action$="/consent"] button')
    t.ok((await arrival).get('code'))
    t.strictSame(faults, [])
  })

  await t.test('signing out at the page signs out of "/" too', async (t) => {
    const { page, faults } = await openWindow(t, browser)
    await page.goto((await authorizationRequest(client)).url.href)
    await page.fill('input[name=email]', person.email)
    await page.fill('input[name=password]', person.password)
    await page.keyboard.press('Enter')
    await page.waitForSelector('form[action$="/consent"]')
    await page.goto(server.url)
    await page.waitForSelector('#me-email:visible')
    await page.goto(`${server.url}/oauth/logout`)
    await page.click('button[name=logout]')
    await page.waitForURL(/logout\/success/)
    await page.goto(server.url)
    await page.waitForSelector('#sign-in-form:visible')
    t.strictSame(faults, [])
  })
})
