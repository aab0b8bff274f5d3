import type { Page } from 'playwright-core'
import t from 'tap'
import { noChromium, openWindow, startChromium } from '../fixtures/chromium.ts'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { prolongPauses } from '../fixtures/guessing.ts'
import { makeKey, makePerson, type Person, signIn } from '../fixtures/people.ts'
import { meStatus } from '../fixtures/wire.ts'

t.test('the page of an account, by hand', { skip: noChromium }, async (t) => {
  const server = await startGatehouse(t)
  const browser = await startChromium(t)

  await t.test('an app that was allowed is listed, and loses its access when it is removed', async (t) => {
    const person = await makePerson(server)
    const client = await makeClient(server, { name: 'Photo Printer' })
    const { access_token } = await (await authorize(server, client, person)).redeem()
    const { page, faults } = await openWindow(t, browser)
    await signInAt(server, page, person)
    const row = page.locator('[data-test="app-row"]')
    t.match(await row.textContent(), /Photo Printer/)
    t.match(await row.textContent(), /app\.example/)
    t.equal(await meStatus(server, access_token), 200)
    await row.locator('[data-test="remove-app"]').click()
    await page.click('[data-test="confirm"]')
    await row.waitFor({ state: 'detached' })
    t.equal(await meStatus(server, access_token), 401)
    t.strictSame(faults, [])
  })

  await t.test('a key is rotated: the new one is shown, the old one ends as chosen', async (t) => {
    const person = await makePerson(server)
    const { apiKey: old } = await makeKey(server, person)
    const { page, faults } = await openWindow(t, browser)
    await signInAt(server, page, person)
    await page.click('[data-test="rotate-key"]')
    await page.selectOption('#rotate-overlap', '0')
    await page.click('[data-test="confirm-rotate"]')
    await page.waitForSelector('#new-key-secret:visible')
    const key = (await page.textContent('#new-key-secret')) ?? ''
    t.not(key, old)
    t.equal(await meStatus(server, key), 200)
    t.equal(await meStatus(server, old), 401)
    await page.click('#dismiss-key')
    t.notOk((await page.content()).includes(key), 'and is gone from the page once it is saved')
    t.strictSame(faults, [])
  })

  await t.test('whoever thinks better of revoking keeps the key', async (t) => {
    const person = await makePerson(server)
    const { apiKey } = await makeKey(server, person)
    const { page } = await openWindow(t, browser)
    await signInAt(server, page, person)
    await page.click('[data-test="revoke-key"]')
    await page.keyboard.press('Escape')
    await page.waitForSelector('dialog[open]', { state: 'detached' })
    await page.click('[data-test="revoke-key"]')
    await page.click('dialog[open] >> text=Cancel')
    t.equal(await page.locator('[data-test="key-row"]').count(), 1)
    t.equal(await meStatus(server, apiKey), 200)
  })

  await t.test('a key does what was ticked, and a user is not offered what only administrators may do', async (t) => {
    for (const [role, offered] of [
      ['user', ['profile:read', 'keys:read', 'keys:write']],
      ['admin', ['profile:read', 'keys:read', 'keys:write', 'admin:read', 'admin:write']],
    ] as const) {
      const { page } = await openWindow(t, browser)
      await signInAt(server, page, await makePerson(server, role))
      const boxes = page.locator('input[name=permissions]:visible')
      t.strictSame(await boxes.evaluateAll((all) => all.map((box) => box.getAttribute('value'))), [...offered])
      await page.fill('#key-name', 'narrow')
      await page.uncheck('input[value="keys:read"]')
      await page.click('#new-key-form button[type=submit]')
      await page.waitForSelector('#new-key-secret:visible')
      const key = (await page.textContent('#new-key-secret')) ?? ''
      const me = await server.fetch('/api/me', { headers: { 'x-api-key': key } })
      t.match(await me.json(), { scopes: ['profile:read'] })
    }
  })

  await t.test('what others have typed is shown as text', async (t) => {
    const person = await makePerson(server)
    const { page, faults } = await openWindow(t, browser)
    await signInAt(server, page, person)
    const name = '<img src=x onerror=alert(1)>'
    await page.fill('#key-name', name)
    await page.click('#new-key-form button[type=submit]')
    await page.waitForSelector('[data-test="key-row"]')
    t.match(await page.textContent('[data-test="key-row"] [data-field="name"]'), name)
    t.equal(await page.locator('main img').count(), 0)
    t.strictSame(faults, [])
  })

  await t.test('signing out in one tab signs out the other, and leaves nothing of the account behind', async (t) => {
    const person = await makePerson(server)
    await makeKey(server, person)
    const { page, context, faults } = await openWindow(t, browser)
    await signInAt(server, page, person)
    const other = await context.newPage()
    await other.goto(server.url)
    await other.waitForSelector('#me-email:visible')
    await page.click('#sign-out')
    await page.waitForSelector('#sign-in-form:visible')
    await other.waitForSelector('#sign-in-form:visible')
    for (const tab of [page, other]) {
      t.notOk((await tab.content()).includes(person.email))
      t.equal(await tab.locator('[data-test="key-row"]').count(), 0)
    }
    t.strictSame(faults, [])
  })

  await t.test('a session that was ended elsewhere is told at the next action', async (t) => {
    const person = await makePerson(server)
    const { page, context } = await openWindow(t, browser)
    await signInAt(server, page, person)
    const cookie = (await context.cookies()).find(({ name }) => name === 'gatehouse_refresh')
    const ended = await server.post(
      '/api/auth/logout',
      {},
      { cookie: `${cookie?.name}=${cookie?.value}`, origin: server.url },
    )
    t.equal(ended.status, 200)
    await page.fill('#key-name', 'too late')
    await page.click('#new-key-form button[type=submit]')
    await page.waitForSelector('#sign-in-form:visible')
    t.match(await page.textContent('#notice'), /session has ended/)
    t.notOk((await page.content()).includes(person.email))
  })

  await t.test('two tabs that open at once both stay signed in', async (t) => {
    const person = await makePerson(server)
    const { page, context, faults } = await openWindow(t, browser)
    await signInAt(server, page, person)
    const tabs = await Promise.all([1, 2, 3, 4].map(() => context.newPage()))
    await Promise.all(tabs.map((tab) => tab.goto(server.url)))
    for (const tab of tabs) await tab.waitForSelector('#me-email:visible')
    await page.reload()
    await page.waitForSelector('#me-email:visible')
    t.strictSame(faults, [], 'their refresh tokens rotate one after the other')
  })

  await t.test('without JavaScript the page says what needs it', async (t) => {
    const { page } = await openWindow(t, browser, { javaScriptEnabled: false })
    await page.goto(server.url)
    t.match(await page.textContent('noscript'), /needs JavaScript/)
    t.notOk(await page.isVisible('#sign-in-form'), 'and offers no form that would do nothing')
  })

  await t.test('where sign-up is closed, none is offered', async (t) => {
    const closed = await startGatehouse(t, { env: { SIGN_UP: 'closed' } })
    const { page, faults } = await openWindow(t, browser)
    await page.goto(closed.url)
    await page.waitForSelector('#sign-in-form:visible')
    t.equal(await page.locator('#show-create-account, #create-account-form').count(), 0)
    const client = await makeClient(closed)
    const { authorization_endpoint: endpoint = '' } = client.configuration.serverMetadata()
    const query = `client_id=${client.id}&response_type=code&scope=openid`
    const pkce = `code_challenge=${'x'.repeat(43)}&code_challenge_method=S256`
    await page.goto(`${endpoint}?${query}&${pkce}`)
    await page.waitForSelector('#password')
    t.equal(await page.getByText('Create an account').count(), 0)
    t.strictSame(faults, [])
  })

  await t.test('the password is changed, and the page goes on (ASVS V6.2.2, V6.2.6, V6.2.7)', async (t) => {
    const person = await makePerson(server)
    const { page, faults } = await openWindow(t, browser)
    await signInAt(server, page, person)
    for (const [id, purpose] of [
      ['current-password', 'current-password'],
      ['changed-password', 'new-password'],
    ]) {
      t.equal(await page.getAttribute(`#${id}`, 'type'), 'password')
      t.equal(await page.getAttribute(`#${id}`, 'autocomplete'), purpose)
      t.equal(await page.getAttribute(`#${id}`, 'onpaste'), null)
    }
    const submit = async (current: string, changed: string) => {
      await page.fill('#current-password', current)
      await page.fill('#changed-password', changed)
      await page.click('#change-password-form button[type=submit]')
    }
    await submit('a wrong password', 'another long engine song')
    await page.waitForSelector('#change-password-error:not(:empty)')
    await submit(person.password, 'another long engine song')
    await page.waitForSelector('#change-password-outcome:not(:empty)')
    t.equal(await page.inputValue('#changed-password'), '')
    await signIn(server, { ...person, password: 'another long engine song' })
    await page.click('#call-api')
    await page.waitForSelector('#api-result:visible')
    t.match(await page.textContent('#api-outcome'), /Let in/)
    t.strictSame(
      faults.filter((fault) => !/400/.test(String(fault))),
      [],
    )
  })

  await t.test('an attempt too many is told, with the page still there to use', async (t) => {
    const person = await makePerson(server)
    for (let tries = 0; tries < 5; tries += 1) {
      await signIn(server, { ...person, password: 'a wrong password' }).catch(() => {})
    }
    await prolongPauses(server)
    const { page } = await openWindow(t, browser)
    await page.goto(server.url)
    await page.fill('#email', person.email)
    await page.fill('#password', person.password)
    await page.click('#sign-in-form button[type=submit]')
    await page.waitForSelector('#sign-in-error:not(:empty)')
    t.match(await page.textContent('#sign-in-error'), /Too many attempts/)
    t.equal(await page.inputValue('#email'), person.email)
  })
})

async function signInAt(server: Gatehouse, page: Page, { email, password }: Person): Promise<void> {
  await page.goto(server.url)
  await page.fill('#email', email)
  await page.fill('#password', password)
  await page.click('#sign-in-form button[type=submit]')
  await page.waitForSelector('#me-email:visible')
}
