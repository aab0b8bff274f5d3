import { eq } from 'drizzle-orm'
import t from 'tap'
import { firstPartySessions } from '../../src/database/schema.ts'
import { noChromium, openWindow, startChromium } from '../fixtures/chromium.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson, signIn } from '../fixtures/people.ts'
import { meStatus } from '../fixtures/wire.ts'

t.test(
  'whoever is signed in elsewhere sees it at "/", and signs out there (ASVS V7.5.2)',
  { skip: noChromium },
  async (t) => {
    const server = await startGatehouse(t)
    const person = await makePerson(server)
    const elsewhere = [await signIn(server, person), await signIn(server, person), await signIn(server, person)]
    const { page, faults } = await openWindow(t, await startChromium(t))
    await page.goto(server.url)
    await page.fill('#email', person.email)
    await page.fill('#password', person.password)
    await page.click('#sign-in-form button[type=submit]')

    const rows = page.locator('[data-test="session-row"]')
    await rows.nth(3).waitFor()
    t.match(await rows.nth(0).textContent(), /This one/)
    t.equal(
      await rows.nth(0).locator('[data-test="end-session"]').isVisible(),
      false,
      'Sign out, above, is for this one',
    )
    await rows.nth(1).locator('[data-test="end-session"]').click()
    await rows.nth(3).waitFor({ state: 'detached' })
    t.equal(await meStatus(server, elsewhere[2]?.accessToken ?? ''), 401)
    t.equal(await meStatus(server, elsewhere[1]?.accessToken ?? ''), 200)

    await page.click('#end-other-sessions')
    await rows.nth(1).waitFor({ state: 'detached' })
    for (const { accessToken } of elsewhere) t.equal(await meStatus(server, accessToken), 401)
    t.equal(await page.locator('#end-other-sessions').isVisible(), false)
    t.strictSame(faults, [])

    const authenticatedAt = new Date(Date.now() - 3_600_000)
    await server.db
      .update(firstPartySessions)
      .set({ authenticatedAt })
      .where(eq(firstPartySessions.accountId, person.id))
    await signIn(server, person)
    await page.reload()
    await page.click('#end-other-sessions')
    await page.waitForSelector('#password-dialog[open]')
    await page.click('#password-dialog >> text=Cancel')
    t.match(await page.textContent('#sessions-error'), /Sign in again to do this/)
    t.equal(await rows.count(), 2, 'nothing has ended')

    await page.click('#end-other-sessions')
    await page.fill('#password-again', 'not the password')
    await page.keyboard.press('Enter')
    await page.waitForSelector('#password-dialog-error:not(:empty)')
    t.equal(await rows.count(), 2)
    await page.fill('#password-again', person.password)
    await page.keyboard.press('Enter')
    await rows.nth(1).waitFor({ state: 'detached' })
    t.equal(await page.inputValue('#password-again'), '', 'and the password is gone from the page')
  },
)
