import t from 'tap'
import { ask, makeAsker, pollOnce } from '../fixtures/backchannel.ts'
import { noChromium, openWindow, signInByKeyboard, startChromium } from '../fixtures/chromium.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { meStatus } from '../fixtures/wire.ts'

t.test('answering what an app asks, by hand (CIBA 8)', { skip: noChromium }, async (t) => {
  const server = await startGatehouse(t)
  const browser = await startChromium(t)
  const client = await makeAsker(server)

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript'

    await t.test(`the keyboard is enough, from the list to the answer, ${how} (WCAG 2.1.1)`, async (t) => {
      const person = await makePerson(server)
      const { auth_req_id: first } = await ask(client, person, { binding_message: 'Till 4, A-7' })
      const { auth_req_id: second } = await ask(client, person, { binding_message: 'Till 5, B-8' })
      const { page, faults } = await openWindow(t, browser, { javaScriptEnabled })
      await page.goto(`${server.url}/requests`)
      await signInByKeyboard(page, person)
      await page.waitForSelector('h1:text-is("Open requests")')
      const requestOf = (message: string) =>
        page.locator('.requests li', { hasText: message }).getByRole('link', { name: 'Meadow Bank' })
      await requestOf('Till 4, A-7').press('Enter')
      await page.waitForSelector('form[action$="/allow"]')
      t.match(await page.textContent('.binding-message'), 'Till 4, A-7')
      t.match(await page.textContent('[role=note]'), /If you did not/)
      await page.getByRole('button', { name: 'Allow', exact: true }).press('Enter')
      await page.waitForSelector('h1:text-is("Allowed")')
      await page.getByRole('link', { name: 'See what else is open' }).press('Enter')
      await requestOf('Till 5, B-8').press('Enter')
      await page.getByRole('button', { name: 'Deny' }).press('Enter')
      await page.waitForSelector('h1:text-is("Denied")')
      await page.goto(`${server.url}/requests`)
      t.match(await page.textContent('.lede'), /No app waits/)
      t.equal(await meStatus(server, (await pollOnce(server, client, first)).access_token ?? ''), 200)
      t.match(await pollOnce(server, client, second), { error: 'access_denied' })
      t.strictSame(faults, [])
    })
  }
})
