import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, passPages } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'

const COOKIES = ['gatehouse_sso', 'gatehouse_sso.sig', 'gatehouse_refresh']
const server = await startGatehouse(t)
const client = await makeClient(server)

/** Whether these cookies are those of somebody who is signed in: a request without a page succeeds or asks for consent. */
async function isSignedIn(cookies: Browser['cookies']): Promise<boolean> {
  const browser = new Browser(server)
  for (const [name, cookie] of cookies) browser.cookies.set(name, cookie)
  const { url } = await authorizationRequest(client, { scope: 'openid', prompt: 'none' })
  const end = await browser.goto(url.href)
  return !end.url.includes('error=login_required')
}

/** The cookies of a browser as they are now, with others for some. */
const copyOf = ({ cookies }: Browser, changes: Record<string, string> = {}): Browser['cookies'] =>
  new Map([...cookies].map(([name, cookie]) => [name, { ...cookie, value: changes[name] ?? cookie.value }]))

t.test('signing in gives a browser other cookies than it had (session fixation, ASVS V7.2.4)', async (t) => {
  const browser = new Browser(server)
  const { url } = await authorizationRequest(client, { scope: 'openid' })
  const signIn = await browser.goto(url.href)
  const planted = copyOf(browser)
  t.match((await passPages(browser, signIn, await makePerson(server))).url, /[?&]code=/)
  t.equal(await isSignedIn(browser.cookies), true)
  t.equal(await isSignedIn(planted), false, 'who knew the cookies from before has nothing')
})

t.test('signing in again ends what the browser held before (ASVS V7.2.4)', async (t) => {
  const person = await makePerson(server)
  const { browser } = await authorize(server, client, person)
  const before = copyOf(browser)
  await authorize(server, client, person, { browser, parameters: { prompt: 'login consent' } })
  for (const name of COOKIES) t.not(browser.cookies.get(name)?.value, before.get(name)?.value, name)
  t.equal(await isSignedIn(browser.cookies), true)
  t.equal(await isSignedIn(before), false)
  const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' }
  const refresh = (cookies: Browser['cookies']) => {
    const cookie = `gatehouse_refresh=${cookies.get('gatehouse_refresh')?.value}`
    return server.post('/api/auth/refresh', {}, { ...headers, cookie })
  }
  t.equal((await refresh(before)).status, 401, 'at our own pages too')
  t.equal((await refresh(browser.cookies)).status, 200)
})

t.test('a cookie that was altered, or is of another browser in part, signs nobody in (ASVS V7.2.1)', async (t) => {
  const [mine, other] = [
    await authorize(server, client, await makePerson(server)),
    await authorize(server, client, await makePerson(server)),
  ]
  const valueOf = ({ browser }: typeof mine, name: string) => browser.cookies.get(name)?.value ?? ''
  t.equal(await isSignedIn(mine.browser.cookies), true)
  for (const name of COOKIES) {
    const value = valueOf(mine, name)
    const altered = value.slice(0, -2) + (value.endsWith('AA') ? 'BB' : 'AA')
    for (const wrong of [altered, value.slice(0, -1), `${value}A`, '', valueOf(other, name)]) {
      t.equal(await isSignedIn(copyOf(mine.browser, { [name]: wrong })), false, `${name}: ${wrong}`)
    }
  }
})
