import { and, eq } from 'drizzle-orm'
import t from 'tap'
import { providerModels } from '../../src/database/schema.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'

const ROUNDS = 5
const server = await startGatehouse(t)
const person = await makePerson(server)
const client = await makeClient(server)
const ours = { origin: server.url, 'sec-fetch-site': 'same-origin' }

/** A browser that has consented and is about to follow the redirect back to the authorization request. */
async function aboutToResume(browser: Browser) {
  const { url } = await authorizationRequest(client)
  const page = await browser.goto(url.href)
  const { action } = page.form('/consent')
  const answer = await browser.request(action, { method: 'POST', body: new URLSearchParams(), headers: ours })
  return { resume: answer.headers.get('location') ?? '', action }
}

t.test(
  'of 10 resumes of one request at once one gets the code, and no one an error of ours (ASVS V10.4.2)',
  async (t) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { browser } = await authorize(server, client, person)
      const { resume } = await aboutToResume(browser)
      const before = new Map(browser.cookies)
      const answers = await Promise.all(
        Array.from({ length: 10 }, async () => {
          const same = new Browser(server)
          for (const [name, cookie] of before) same.cookies.set(name, cookie)
          const response = await same.request(resume)
          return { status: response.status, to: response.headers.get('location') ?? '', browser: same }
        }),
      )
      const won = answers.filter(({ to }) => to.includes('code='))
      t.equal(won.length, 1)
      t.same(new Set(answers.filter((answer) => !won.includes(answer)).map(({ status }) => status)), new Set([400]))
      const { url } = await authorizationRequest(client, { prompt: 'none', scope: 'openid' })
      const next = await won[0]?.browser.goto(url.href)
      t.match(next?.url, /[?&]code=/, 'whose session goes on')
    }
  },
)

t.test('two requests of one browser are resumed at once (two tabs)', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const { browser } = await authorize(server, client, person)
    const tabs = [await aboutToResume(browser), await aboutToResume(browser)]
    const answers = await Promise.all(tabs.map(({ resume }) => browser.request(resume)))
    for (const response of answers) t.ok(response.status < 500, `${response.status}`)
    t.ok(answers.some((response) => response.headers.get('location')?.includes('code=')))
  }
})

t.test('a session that is signed out of while a request is under way does not come back (ASVS V7.4.1)', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const leaving = await makePerson(server)
    const { browser } = await authorize(server, client, leaving)
    const { resume } = await aboutToResume(browser)
    const { url } = await authorizationRequest(client, { scope: 'openid' })
    const other = new Browser(server)
    for (const [name, cookie] of browser.cookies) other.cookies.set(name, cookie)
    const answers = await Promise.all([
      browser.request(resume),
      other.request(url),
      other.request('/api/auth/logout', { method: 'POST', headers: ours }),
      other.request(url),
    ])
    for (const response of answers) t.ok(response.status < 500, `${response.status}`)
    const live = await server.db
      .select({ payload: providerModels.payload })
      .from(providerModels)
      .where(and(eq(providerModels.model, 'Session'), eq(providerModels.accountId, leaving.id)))
    t.ok(live.length <= 1, 'at most a new one')
  }
})

t.test('who declines while a sign-in is under way gets no error of ours, nor does the sign-in', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const browser = new Browser(server)
    const page = await browser.goto((await authorizationRequest(client)).url.href)
    const { email, password } = person
    const post = (action: string, body: Record<string, string>) =>
      browser.request(action, { method: 'POST', body: new URLSearchParams(body), headers: ours })
    const signingIn = post(page.form('/login').action, { email, password })
    const declined = await post(page.form('/abort').action, {})
    const back = await browser.request(declined.headers.get('location') ?? '')
    t.match(back.headers.get('location'), /[?&]error=access_denied/)
    const { status } = await signingIn
    t.ok([303, 400].includes(status), `the sign-in: ${status}`)
  }
})
