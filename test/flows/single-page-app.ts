import t from 'tap'
import { noChromium, openWindow, startChromium } from '../fixtures/chromium.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson, PASSWORD } from '../fixtures/people.ts'

t.test('our own single-page app, in Chromium', { skip: noChromium }, async (t) => {
  const server = await startGatehouse(t)
  const browser = await startChromium(t)

  await t.test(
    'signs up, stays signed in over a reload, calls the API, makes and revokes a key, signs out',
    async (t) => {
      const { page, context, faults } = await openWindow(t, browser)
      await page.goto(server.url)
      await page.click('#show-create-account')
      await page.fill('#new-name', 'Grace Example')
      await page.fill('#new-email', 'grace@example.com')
      await page.fill('#new-password', PASSWORD)
      await page.click('#create-account-form button[type=submit]')
      await page.waitForSelector('#me-email:visible')
      t.equal(await page.textContent('#me-email'), 'grace@example.com')

      await page.reload()
      await page.waitForSelector('#me-email:visible')
      t.pass('still signed in')
      const stored = await page.evaluate(
        'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])',
      )
      t.equal(stored, '[{},{},""]', 'nothing within the reach of scripts')
      const cookie = (await context.cookies()).find(({ name }) => name === 'gatehouse_refresh')
      t.match(cookie, { name: 'gatehouse_refresh', httpOnly: true, sameSite: 'Lax' })

      await page.click('#call-api')
      await page.waitForSelector('#api-result:not(:empty)')
      const answer = JSON.parse((await page.textContent('#api-result')) ?? '')
      t.match(answer, { authMethod: 'jwt', user: { email: 'grace@example.com' } })

      await page.fill('#key-name', 'a script')
      await page.click('#new-key-form button[type=submit]')
      await page.waitForSelector('#new-key-secret:visible')
      const key = (await page.textContent('#new-key-secret')) ?? ''
      t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': key } })).status, 200)
      await page.click('[data-test="revoke-key"]')
      await page.click('[data-test="confirm"]')
      await page.waitForSelector('[data-test="revoke-key"]', { state: 'detached' })
      t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': key } })).status, 401)

      await page.click('#sign-out')
      await page.waitForSelector('#sign-in-form:visible')
      await page.reload()
      await page.waitForSelector('#sign-in-form:visible')
      t.strictSame(
        (await context.cookies()).map(({ name }) => name),
        ['gatehouse_device'],
        'only that the device is known stays',
      )
      t.strictSame(faults, [])
    },
  )

  await t.test('says what is wrong, and works by keyboard alone', async (t) => {
    const person = await makePerson(server)
    const { page, faults } = await openWindow(t, browser)
    await page.goto(server.url)
    await page.focus('#email')
    await page.keyboard.type(person.email)
    await page.keyboard.press('Tab')
    await page.keyboard.type('not the password')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#sign-in-error:visible')
    t.match(await page.textContent('#sign-in-error'), /not right/)
    t.equal(await page.getAttribute('#sign-in-error', 'role'), 'alert')

    await page.fill('#password', person.password)
    await page.focus('#password')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#me-email:visible')
    t.strictSame(faults, [])
  })
})
