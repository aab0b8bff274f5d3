import t from 'tap'
import { noChromium, openWindow, signInByKeyboard, startChromium } from '../fixtures/chromium.ts'
import { makeClient } from '../fixtures/clients.ts'
import { begin, poll } from '../fixtures/device.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { meStatus } from '../fixtures/wire.ts'

t.test('connecting a device, by hand (RFC 8628 3.3)', { skip: noChromium }, async (t) => {
  const server = await startGatehouse(t)
  const browser = await startChromium(t)
  const client = await makeClient(server, { type: 'native', name: 'Meadow TV', redirectUris: [] })

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript'

    await t.test(`the keyboard is enough, from the code to the answer, ${how} (WCAG 2.1.1)`, async (t) => {
      const person = await makePerson(server)
      const { device_code, user_code } = await begin(client)
      const { page, faults } = await openWindow(t, browser, { javaScriptEnabled })
      await page.goto(`${server.url}/device`)
      await signInByKeyboard(page, person)
      await page.waitForSelector('#user_code:focus')
      await page.keyboard.type('no such code')
      await page.keyboard.press('Enter')
      t.match(await page.textContent('[role=alert]'), /That code is not good/)
      await page.fill('#user_code', '')
      await page.keyboard.type(user_code.toLowerCase().replace('-', ''))
      await page.keyboard.press('Enter')
      await page.waitForSelector('form[action$="/allow"]')
      t.match(await page.textContent('h1'), /Meadow TV/)
      t.match(await page.textContent('[role=note]'), /sent you a code/)
      await page.getByRole('button', { name: 'Allow', exact: true }).press('Enter')
      await page.waitForSelector('h1:text-is("Allowed")')
      const tokens = (await (await poll(server, client, device_code)).json()) as { access_token: string }
      t.equal(await meStatus(server, tokens.access_token), 200)
      t.strictSame(faults, [])
    })
  }

  await t.test('who came by a link compares the code, and may deny', async (t) => {
    const person = await makePerson(server)
    const { device_code, user_code, verification_uri_complete = '' } = await begin(client)
    const { page, faults } = await openWindow(t, browser)
    await page.goto(verification_uri_complete)
    await page.fill('#email', person.email)
    await page.fill('#password', person.password)
    await page.keyboard.press('Enter')
    t.equal(await page.inputValue('#user_code'), user_code)
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('button', { name: 'Deny' }).click()
    await page.waitForSelector('h1:text-is("Denied")')
    t.match(await (await poll(server, client, device_code)).json(), { error: 'access_denied' })
    t.strictSame(faults, [])
  })
})
