import t from 'tap'
import { noChromium, openWindow, startCallback, startChromium } from '../fixtures/chromium.ts'
import { authorizationRequest, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { makeUpstream } from '../fixtures/upstream.ts'

t.test('signing in elsewhere, by hand', { skip: noChromium }, async (t) => {
  const server = await startGatehouse(t)
  // By another name, since cookies of a host are for all its ports.
  const second = await startGatehouse(t, { host: '127.0.0.1' })
  await makeUpstream(server, second)
  const [browser, callback] = [await startChromium(t), await startCallback(t)]
  const { page, faults } = await openWindow(t, browser)
  const elsewhere = await makePerson(second)

  await t.test('from the start page to an account of one’s own', async (t) => {
    await page.goto(server.url)
    await page.click('text=Continue with Provider second')
    await page.waitForURL(`${second.url}/**`)
    await page.fill('#email', elsewhere.email)
    await page.fill('#password', elsewhere.password)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${server.url}/upstreams/second/create-account`)
    t.equal(await page.inputValue('#email'), elsewhere.email)
    await page.click('text=Create account')
    await page.waitForSelector('#me-email:visible')
    t.equal(await page.textContent('#me-email'), elsewhere.email)
    await page.waitForSelector('[data-test="unlink"]:visible')
    t.equal(await page.isVisible('#change-password'), false, 'there is no password to change')
    await page.click('[data-test="unlink"]')
    await page.click('#confirm-dialog [value="confirm"]')
    await page.waitForSelector('#identities-error:has-text("the one way to sign in")')
  })

  await t.test('from an application and back to it, past a page of ours (CSP form-action)', async (t) => {
    const client = await makeClient(server, { redirectUris: [callback.redirectUri], firstParty: true })
    await page.context().clearCookies()
    const { url } = await authorizationRequest(client, { prompt: '', scope: 'openid profile:read' })
    await page.goto(url.href)
    const another = await makePerson(second)
    await page.click('text=Continue with Provider second')
    await page.waitForURL(`${second.url}/**`)
    await page.fill('#email', another.email)
    await page.fill('#password', another.password)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${server.url}/upstreams/second/create-account`)
    const arrival = callback.arrival()
    await page.click('text=Create account')
    t.ok((await arrival).get('code'))
  })

  await t.test('a person with a password links it, after signing in once more, and unlinks it', async (t) => {
    const person = await makePerson(server)
    await page.context().clearCookies()
    await page.goto(server.url)
    await page.fill('#email', person.email)
    await page.fill('#password', person.password)
    await page.click('#sign-in-form button[type=submit]')
    await page.waitForSelector('[data-test="link"]:visible')
    await page.click('[data-test="link"]')
    await page.waitForURL(`${second.url}/**`)
    const mine = await makePerson(second)
    await page.fill('#email', mine.email)
    await page.fill('#password', mine.password)
    await page.keyboard.press('Enter')
    await page.waitForURL(`${server.url}/`)
    await page.waitForSelector('[data-test="unlink"]:visible')
    t.equal(await page.textContent('[data-test="sub"]:visible'), `Known there as ${mine.id}`)
    await page.click('[data-test="unlink"]')
    await page.click('#confirm-dialog [value="confirm"]')
    await page.waitForSelector('[data-test="link"]:visible')
    t.equal(await page.isVisible('[data-test="sub"]'), false)
    t.strictSame(faults, [])
  })
})
