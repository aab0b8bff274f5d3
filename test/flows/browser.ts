import { createServer } from 'node:http'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { noChromium, openWindow, signInByKeyboard, startCallback, startChromium } from '../fixtures/chromium.ts'
import { authorizationRequest, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson, PASSWORD, type Person } from '../fixtures/people.ts'
import { register } from '../fixtures/wire.ts'

t.test('the pages of an authorization request, by hand', { skip: noChromium }, async (t) => {
  const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
  const browser = await startChromium(t)
  const callback = await startCallback(t)
  const client = await makeClient(server, { redirectUris: [callback.redirectUri] })
  const person = await makePerson(server)

  const request = async (parameters: Record<string, string> = {}, by = client) =>
    (await authorizationRequest(by, parameters)).url.href

  async function signInAtHome(page: Page, { email, password }: Person) {
    await page.goto(server.url)
    await page.fill('#email', email)
    await page.fill('#password', password)
    await page.click('#sign-in-form button[type=submit]')
    await page.waitForSelector('#me-email:visible')
  }

  await t.test('the keyboard is enough, from the request to the app (WCAG 2.1.1)', async (t) => {
    const { page, faults } = await openWindow(t, browser)
    await page.goto(await request())
    await signInByKeyboard(page, person)
    await page.waitForSelector('form[action$="/consent"]')
    await tabTo(page, 'Allow')
    const arrival = callback.arrival()
    await page.keyboard.press('Enter')
    t.ok((await arrival).get('code'))
    t.strictSame(faults, [])
  })

  await t.test('signed in at "/", one goes straight to consent, and Allow leads to the app', async (t) => {
    const { page, faults } = await openWindow(t, browser)
    await signInAtHome(page, person)
    await page.goto(await request())
    t.match(await page.textContent('main'), person.email, 'the page says as whom')
    const arrival = callback.arrival()
    await press(page, 'Allow')
    t.ok((await arrival).get('code'), 'the policy of the page lets its form lead there (CSP form-action)')
    t.equal(new URL(page.url()).origin, new URL(callback.redirectUri).origin)
    t.strictSame(faults, [])
  })

  await t.test('for an app of our own the sign-in is all, and leads to the app by itself', async (t) => {
    const own = await makeClient(server, { redirectUris: [callback.redirectUri], firstParty: true })
    const { page, faults } = await openWindow(t, browser)
    await page.goto(await request({ prompt: 'login' }, own))
    await page.fill('#email', person.email)
    await page.fill('#password', person.password)
    const arrival = callback.arrival()
    await page.keyboard.press('Enter')
    t.ok((await arrival).get('code'))
    t.strictSame(faults, [])
  })

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript'

    await t.test(`who has no account makes one on the way, ${how}`, async (t) => {
      const { page, faults } = await openWindow(t, browser, { javaScriptEnabled })
      await page.goto(await request())
      await page.getByRole('link', { name: 'Create an account' }).click()
      await page.fill('#name', 'Grace Example')
      await page.fill('#email', person.email)
      await page.fill('#password', PASSWORD)
      await page.click('button.primary')
      t.match(await page.textContent('[role=alert]'), /cannot be made/, 'a taken e-mail is told on the page')
      t.equal(await page.inputValue('#name'), 'Grace Example', 'what was typed is kept')
      t.equal(await page.inputValue('#password'), '', 'but not the password')
      await page.fill('#email', `grace-${how.replace(' ', '-')}@example.com`)
      await page.fill('#password', PASSWORD)
      await page.click('button.primary')
      const arrival = callback.arrival()
      await press(page, 'Allow')
      t.ok((await arrival).get('code'))
      t.strictSame(faults, [])
    })

    await t.test(`who thinks better of it goes back to the app, ${how} (RFC 6749 4.1.2.1)`, async (t) => {
      const { page, faults } = await openWindow(t, browser, { javaScriptEnabled })
      await page.goto(await request())
      const cancelled = callback.arrival()
      await press(page, 'Cancel')
      t.equal((await cancelled).get('error'), 'access_denied')

      await page.goto(await request())
      await page.fill('#email', person.email)
      await page.fill('#password', 'not the password')
      await page.click('button.primary')
      t.match(await page.textContent('[role=alert]'), /not right/)
      t.equal(await page.inputValue('#email'), person.email)
      await page.fill('#password', person.password)
      await page.click('button.primary')
      const denied = callback.arrival()
      await press(page, 'Deny')
      t.equal((await denied).get('error'), 'access_denied')
      t.strictSame(faults, [])
    })
  }

  await t.test('a name an app gave itself is shown as text, with a warning', async (t) => {
    const metadata = { client_name: '<img src=x onerror=alert(1)>', redirect_uris: [callback.redirectUri] }
    const { client_id } = (await (await register(server, metadata)).json()) as { client_id: string }
    const { page, faults } = await openWindow(t, browser)
    await signInAtHome(page, person)
    const url = new URL(await request())
    url.searchParams.set('client_id', client_id)
    await page.goto(url.href)
    t.match(await page.textContent('h1'), '<img src=x onerror=alert(1)>')
    t.match(await page.textContent('[role=note]'), /Nobody has checked this app/)
    t.equal(await page.locator('main img').count(), 0)
    t.strictSame(faults, [])
  })

  await t.test('no page can be put in a frame of another site (RFC 9700 4.16)', async (t) => {
    const pages = [await request(), server.url, `${server.url}/oauth/logout`]
    const frames = pages.map((src) => `<iframe src="${src.replaceAll('&', '&amp;')}"></iframe>`)
    const site = await serve(t, `<!doctype html><title>Trap</title>${frames.join('')}`)
    const { page, faults } = await openWindow(t, browser)
    await page.goto(site)
    await page.waitForLoadState('networkidle')
    for (const frame of page.frames().slice(1)) t.match(frame.url(), /^chrome-error:/)
    t.equal(page.frames().length, 1 + pages.length)
    t.equal(faults.length, pages.length, 'the browser says so for each')
  })

  await t.test('the sign-out page signs out, and whoever stays is still signed in', async (t) => {
    const { page, faults } = await openWindow(t, browser)
    await page.goto(await request())
    await page.fill('#email', person.email)
    await page.fill('#password', person.password)
    await page.keyboard.press('Enter')
    await page.waitForSelector('form[action$="/consent"]')
    await page.goto(`${server.url}/oauth/logout`)
    await press(page, 'Stay signed in')
    await page.goto(server.url)
    await page.waitForSelector('#me-email:visible')
    await page.goto(`${server.url}/oauth/logout`)
    await page.click('button[name=logout]')
    await page.waitForSelector('text=You are signed out')
    await page.goto(server.url)
    await page.waitForSelector('#sign-in-form:visible')
    t.strictSame(faults, [])
  })

  await t.test('a link of another site does not sign out who signed in at "/" (ASVS V10.6.2)', async (t) => {
    const site = await serve(t, `<!doctype html><a href="${server.url}/oauth/logout">free cake</a>`)
    const { page, faults } = await openWindow(t, browser)
    await signInAtHome(page, person)
    await page.goto(site)
    await page.click('a')
    await page.waitForLoadState('networkidle')
    t.match(await page.textContent('h1'), /Sign out of Gatehouse\?/, 'it asks first')
    await press(page, 'Stay signed in')
    t.notMatch(await page.textContent('main'), /You are signed out/)
    await page.goto(server.url)
    await page.waitForSelector('#me-email:visible')
    await page.goto(`${server.url}/oauth/logout`)
    await page.click('button[name=logout]')
    await page.waitForSelector('text=You are signed out')
    await page.goto(server.url)
    await page.waitForSelector('#sign-in-form:visible')
    t.strictSame(faults, [])
  })

  await t.test('every page comes from here alone, and breaks no rule of its own policy', async (t) => {
    const { page, faults } = await openWindow(t, browser)
    const origins = new Set<string>()
    page.on('request', (sent) => origins.add(new URL(sent.url()).origin))
    for (const [name, path, status] of [
      ['home', '/', 200],
      ['sign-in', await request(), 200],
      ['sign-out', '/oauth/logout', 200],
      ['signed out', '/oauth/logout/success', 200],
      ['an unknown client', '/oauth/authorize?client_id=nobody', 400],
      ['an interaction that is over', '/interaction/over', 400],
      ['a one-time link that is over', `/setup?token=${'x'.repeat(43)}`, 400],
      ['nothing', '/nowhere', 404],
    ] as const) {
      const response = await page.goto(new URL(path, server.url).href, { waitUntil: 'networkidle' })
      t.equal(response?.status(), status, name)
      t.equal(response?.headers()['x-frame-options'], 'DENY', name)
      t.match(response?.headers()['content-security-policy'], /default-src 'none'/, name)
      t.ok(await page.textContent('h1'), name)
    }
    t.strictSame([...origins], [server.url])
    t.strictSame(faults, [])
  })
})

const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()

/** The name, or else the text, of what has the focus. */
function focused(page: Page): Promise<string> {
  return page.evaluate('document.activeElement.name || document.activeElement.textContent.trim()')
}

async function tabTo(page: Page, text: string): Promise<void> {
  for (let presses = 0; presses < 20; presses += 1) {
    if ((await focused(page)) === text) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`Tab does not come to ${text}`)
}

/** Another site, of one page. */
async function serve(t: Test, html: string): Promise<string> {
  const site = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(html))
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    site.closeAllConnections()
    site.close()
  })
  return `http://127.0.0.1:${(site.address() as { port: number }).port}/`
}
